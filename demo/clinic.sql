-- The demo clinic's own system. Everybody is invented; numbers 555-01xx belong to nobody.
-- Days are counted from the day on which the file is made, so that there is always something free:
-- make it anew with: frontdoor crm reset --config clinic.toml

CREATE TABLE patients (
    -- Begins with 40, so that it is no telephone number of somebody else.
    number         TEXT PRIMARY KEY CHECK (number GLOB '40[0-9][0-9][0-9][0-9][0-9]'),
    name           TEXT NOT NULL,
    first_name     TEXT NOT NULL,
    date_of_birth  TEXT NOT NULL,
    -- One telephone, one patient. Families that share one use their patient numbers.
    phone          TEXT NOT NULL UNIQUE CHECK (length(phone) = 7)
) STRICT;

CREATE TABLE clinicians (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    kind  TEXT NOT NULL CHECK (kind IN ('doctor', 'nurse'))
) STRICT;

CREATE TABLE appointments (
    id         INTEGER PRIMARY KEY,
    clinician  INTEGER NOT NULL REFERENCES clinicians (id),
    day        TEXT NOT NULL,
    time       TEXT NOT NULL,
    -- NULL while it is free.
    patient    TEXT REFERENCES patients (number),
    -- Counts up with every booking: of two, the higher is the newer.
    booked     INTEGER,
    confirmed  INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
    UNIQUE (clinician, day, time)
) STRICT;
CREATE INDEX appointments_by_patient ON appointments (patient, day);

CREATE TABLE cancellations (
    id         INTEGER PRIMARY KEY,
    patient    TEXT NOT NULL REFERENCES patients (number),
    clinician  TEXT NOT NULL,
    day        TEXT NOT NULL,
    at         TEXT NOT NULL
) STRICT;

CREATE TABLE prescriptions (
    id            INTEGER PRIMARY KEY,
    patient       TEXT NOT NULL REFERENCES patients (number),
    medicine      TEXT NOT NULL,
    -- How often it may be repeated before a doctor looks at it again.
    repeats_left  INTEGER NOT NULL CHECK (repeats_left >= 0),
    -- The day it was asked for, until it has been handed out.
    requested     TEXT,
    pick_up       TEXT CHECK (pick_up IN ('clinic', 'pharmacy'))
) STRICT;

-- Callers give their patient number or their telephone number.
CREATE VIEW known_by (given, patient) AS
    SELECT number, number FROM patients UNION ALL SELECT phone, number FROM patients;

-- Appointments as they are spoken about: 9:30 am, in the morning, Doctor Okafor.
CREATE VIEW diary AS
    SELECT
        a.id, a.patient, a.day, a.time, a.booked, a.confirmed, c.kind, c.name AS clinician,
        CASE WHEN a.time < '12:00' THEN 'in the morning' ELSE 'in the afternoon' END AS part_of_day,
        ((CAST(substr(a.time, 1, 2) AS INTEGER) + 11) % 12 + 1) || substr(a.time, 3)
            || CASE WHEN a.time < '12:00' THEN ' am' ELSE ' pm' END AS at
    FROM appointments a JOIN clinicians c ON c.id = a.clinician;

INSERT INTO patients (number, name, first_name, date_of_birth, phone) VALUES
    ('4021187', 'Nora Feldman', 'Nora', '1961-07-14', '5550142'),
    ('4033560', 'Daniel Reyes', 'Daniel', '1988-03-02', '5550158'),
    ('4010274', 'Grace Lindqvist', 'Grace', '1947-11-30', '5550171'),
    ('4058813', 'Samir Haddad', 'Samir', '2001-05-09', '5550126'),
    ('4047729', 'Tessa Bloom', 'Tessa', '1975-09-21', '5550194'),
    -- Born on the same day, and the same by ear.
    ('4062251', 'Owen Smith', 'Owen', '1980-02-29', '5550133'),
    ('4065590', 'Iris Smyth', 'Iris', '1980-02-29', '5550137');

INSERT INTO clinicians (id, name, kind) VALUES
    (1, 'Doctor Okafor', 'doctor'),
    (2, 'Doctor Whitlow', 'doctor'),
    (3, 'Nurse Delgado', 'nurse');

-- Weekdays of the next ten weeks; not every hour of everybody.
WITH RECURSIVE days (day) AS (
    SELECT date('now', 'localtime', '+1 day')
    UNION ALL
    SELECT date(day, '+1 day') FROM days WHERE day < date('now', 'localtime', '+70 days')
),
times (clinician, time) AS (
    VALUES
        (1, '09:00'), (1, '09:30'), (1, '10:30'), (1, '11:00'), (1, '14:00'), (1, '15:30'),
        (2, '08:30'), (2, '10:00'), (2, '13:30'), (2, '14:30'), (2, '16:00'),
        (3, '08:00'), (3, '09:15'), (3, '11:30'), (3, '13:00'), (3, '15:00'), (3, '16:45')
)
INSERT INTO appointments (clinician, day, time)
SELECT clinician, day, time FROM days, times
WHERE strftime('%w', day) NOT IN ('0', '6')
    AND strftime('%m-%d', day) NOT IN ('12-24', '12-25', '01-01')
    -- Thanksgiving, the fourth Thursday of November.
    AND NOT (strftime('%w', day) = '4' AND strftime('%m-%d', day) BETWEEN '11-22' AND '11-28')
ORDER BY day, time, clinician;

-- Three that are taken, a few days ahead.
UPDATE appointments SET patient = '4021187', booked = 1 WHERE id =
    (SELECT id FROM diary WHERE clinician = 'Doctor Okafor' AND time = '10:30'
        AND day >= date('now', 'localtime', '+3 days') ORDER BY day LIMIT 1);
UPDATE appointments SET patient = '4010274', booked = 2 WHERE id =
    (SELECT id FROM diary WHERE clinician = 'Nurse Delgado' AND time = '09:15'
        AND day >= date('now', 'localtime', '+4 days') ORDER BY day LIMIT 1);
UPDATE appointments SET patient = '4047729', booked = 3, confirmed = 1 WHERE id =
    (SELECT id FROM diary WHERE clinician = 'Doctor Whitlow' AND time = '14:30'
        AND day >= date('now', 'localtime', '+8 days') ORDER BY day LIMIT 1);

INSERT INTO prescriptions (patient, medicine, repeats_left, requested, pick_up) VALUES
    ('4021187', 'lisinopril', 3, NULL, NULL),
    ('4021187', 'metformin', 2, NULL, NULL),
    ('4033560', 'cetirizine', 0, NULL, NULL),
    ('4010274', 'amlodipine', 5, date('now', 'localtime'), 'pharmacy'),
    ('4047729', 'levothyroxine', 4, NULL, NULL);
