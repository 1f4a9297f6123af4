-- What protected a call's audio: 'none', 'SDES ...' or 'DTLS-SRTP ...'; NULL in records from before this
-- was noted.
ALTER TABLE calls ADD COLUMN protection TEXT;
