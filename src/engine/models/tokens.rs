//! The tokens that a ggml file carries, read from a Hugging Face `tokenizer.json`.

use std::collections::HashMap;

use serde::Deserialize;

use super::ConvertError;

/// Whisper's vocabulary starts with GPT-2's 50,257 plain tokens; what follows (languages, tasks,
/// time stamps) is made up by the reader from its number.
pub const N_PLAIN_TOKENS: usize = 50_257;

/// A token longer than this is not a token. GPT-2's longest has 128 bytes.
const TOKEN_LEN_MAX: usize = 1_024;

#[derive(Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    model: BpeModel,
}

#[derive(Deserialize)]
struct AddedToken {
    id: usize,
    content: String,
}

#[derive(Deserialize)]
struct BpeModel {
    vocab: HashMap<String, usize>,
}

/// Plain tokens as bytes, in the order of their ids, without gaps.
#[derive(Debug)]
pub struct Tokens(Vec<Vec<u8>>);

impl Tokens {
    /// Reads the first `count` tokens of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`ConvertError::Tokenizer`] when the file is not a byte-level BPE tokenizer or an id below
    /// `count` is missing or doubled.
    pub fn from_tokenizer_json(json: &[u8], count: usize) -> Result<Self, ConvertError> {
        let bad = ConvertError::Tokenizer;
        let parsed: TokenizerJson = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
        let mut slots: Vec<Option<Vec<u8>>> = vec![None; count];
        // Special tokens are literal text; where both lists have one, they must agree.
        for token in &parsed.added_tokens {
            if let Some(slot) = slots.get_mut(token.id) {
                *slot = Some(token.content.clone().into_bytes());
            }
        }
        let added = slots.clone();
        let unmap = byte_of_char();
        let mut filled = vec![false; count];
        for (text, &id) in &parsed.model.vocab {
            let Some(slot) = slots.get_mut(id) else { continue };
            if std::mem::replace(&mut filled[id], true) {
                return Err(bad(format!("two tokens have the id {id}")));
            }
            if added[id].as_deref() == Some(text.as_bytes()) {
                continue;
            }
            let bytes = text.chars().map(|c| unmap.get(&c).copied()).collect::<Option<Vec<u8>>>();
            *slot = Some(bytes.ok_or_else(|| bad(format!("token {id} is not byte-level text")))?);
        }
        let mut tokens = Vec::with_capacity(count);
        for (id, slot) in slots.into_iter().enumerate() {
            let bytes = slot.ok_or_else(|| bad(format!("no token has the id {id}")))?;
            if bytes.len() > TOKEN_LEN_MAX {
                return Err(bad(format!("token {id} has {} bytes", bytes.len())));
            }
            tokens.push(bytes);
        }
        Ok(Self(tokens))
    }

    /// The tokens, each at the index of its id.
    pub fn as_slice(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// GPT-2 writes each byte as a printable character: itself where it is printable Latin-1, else the
/// next free character from U+0100 on. This is the way back.
fn byte_of_char() -> HashMap<char, u8> {
    let mut next_free = 0x100u32;
    let mut map = HashMap::with_capacity(256);
    for byte in 0..=255u8 {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable {
            u32::from(byte)
        } else {
            next_free += 1;
            next_free - 1
        };
        let character = char::from_u32(code).expect("codes below U+0200 are characters");
        map.insert(character, byte);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_gpt2_text() {
        let json = r#"{"added_tokens": [{"id": 3, "content": "<|endoftext|>", "special": true}],
            "model": {"vocab": {"!": 0, "Ġthe": 1, "ÃŃĊ": 2, "far": 9}}}"#;
        let tokens = Tokens::from_tokenizer_json(json.as_bytes(), 4).expect("valid");
        let expected: [&[u8]; 4] = [b"!", b" the", &[0xc3, 0xad, b'\n'], b"<|endoftext|>"];
        // 'Ń' is the last of the 68 stand-ins: it means the soft hyphen, 0xad.
        assert_eq!(tokens.as_slice(), expected.map(<[u8]>::to_vec));
    }

    #[test]
    fn every_byte_has_its_own_character() {
        assert_eq!(byte_of_char().len(), 256);
    }

    #[test]
    fn bad_tokenizers_say_why() {
        for (json, why) in [
            ("{", "EOF"),
            (r#"{"model": {"type": "BPE"}}"#, "vocab"),
            (r#"{"model": {"vocab": {"a": 0, "b": 2}}}"#, "no token has the id 1"),
            (r#"{"model": {"vocab": {"a": 0, "b": 1, "c": 1}}}"#, "two tokens have the id 1"),
            (r#"{"model": {"vocab": {"a": 0, "日": 1}}}"#, "token 1 is not byte-level"),
        ] {
            let error = Tokens::from_tokenizer_json(json.as_bytes(), 2).expect_err(json);
            assert!(error.to_string().contains(why), "{json}: {error}");
        }
    }
}
