//! Reads a CTranslate2 `model.bin`: named arrays, little endian. The file is outside input: every
//! count and length is bounded before it is believed.
//!
//! ```text
//! u32 version (6); str specification; u32 revision; u32 n
//! n x { str name; u8 rank; u32 dims[rank]; u8 dtype; u32 n_bytes; bytes }
//! u32 n; n x { str alias; str target }
//! str: u16 length with a trailing NUL, bytes
//! ```

use std::collections::BTreeMap;

use super::ConvertError;

/// The binary version that carries data types and aliases; older ones are laid out differently.
const BINARY_VERSION: u32 = 6;
const SPECIFICATION: &str = "WhisperSpec";
/// Revision of the Whisper specification whose names the conversion knows.
const REVISION: u32 = 3;
/// Whisper large has about 1,100 variables.
const VARIABLES_MAX: u32 = 16_384;
const RANK_MAX: u8 = 4;
const NAME_LEN_MAX: u16 = 512;

/// How the numbers of a variable are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    I8,
    I16,
    I32,
    F16,
    Bf16,
}

impl Dtype {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::F16,
            5 => Self::Bf16,
            _ => return None,
        })
    }

    /// Bytes per number.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

/// One named array, row-major. A scalar has no dimensions.
#[derive(Clone, Debug)]
pub struct Variable<'a> {
    pub dims: Vec<usize>,
    pub dtype: Dtype,
    /// Exactly `product(dims) * dtype.size_bytes()` bytes.
    pub data: &'a [u8],
}

/// A parsed `model.bin` that borrows its bytes.
#[derive(Debug)]
pub struct CtModel<'a> {
    variables: BTreeMap<&'a str, Variable<'a>>,
}

impl<'a> CtModel<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`ConvertError`] that says at which byte and why: cut short, another kind of file, a count
    /// or length out of bounds, sizes that contradict each other, bytes after the end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut reader = Reader { bytes, at: 0 };
        let version = reader.u32("the version")?;
        if version != BINARY_VERSION {
            return Err(ConvertError::NotCtranslate2(format!(
                "binary version {version}, known is {BINARY_VERSION}"
            )));
        }
        let specification = reader.name("the specification")?;
        let revision = reader.u32("the revision")?;
        if (specification, revision) != (SPECIFICATION, REVISION) {
            return Err(ConvertError::NotCtranslate2(format!(
                "it holds {specification:.40?} revision {revision}, known is {SPECIFICATION} \
                 revision {REVISION}"
            )));
        }
        let count = reader.count("the number of variables")?;
        let mut variables = BTreeMap::new();
        for _ in 0..count {
            let name = reader.name("a variable's name")?;
            let variable = reader.variable(name)?;
            if variables.insert(name, variable).is_some() {
                return Err(reader.bad(format!("the variable {name} comes twice")));
            }
        }
        for _ in 0..reader.count("the number of aliases")? {
            let alias = reader.name("an alias")?;
            let target = reader.name("an alias's target")?;
            let Some(variable) = variables.get(target).cloned() else {
                return Err(reader.bad(format!("the alias {alias} points at nothing ({target})")));
            };
            variables.entry(alias).or_insert(variable);
        }
        if reader.at != bytes.len() {
            return Err(reader.bad(format!("{} bytes follow the end", bytes.len() - reader.at)));
        }
        Ok(Self { variables })
    }

    /// The variable of this name.
    ///
    /// # Errors
    /// [`ConvertError::MissingVariable`].
    pub fn get(&self, name: &str) -> Result<&Variable<'a>, ConvertError> {
        self.variables.get(name).ok_or_else(|| ConvertError::MissingVariable(name.to_owned()))
    }

    /// An integer scalar, where the file has it.
    pub fn integer(&self, name: &str) -> Option<i32> {
        let variable = self.variables.get(name)?;
        match (variable.dtype, variable.data) {
            (Dtype::I8, &[a]) => Some(i32::from(a as i8)),
            (Dtype::I16, &[a, b]) => Some(i32::from(i16::from_le_bytes([a, b]))),
            (Dtype::I32, &[a, b, c, d]) => Some(i32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bad(&self, why: String) -> ConvertError {
        ConvertError::Malformed { at: self.at, why }
    }

    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], ConvertError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or_else(|| {
            self.bad(format!("cut short in {what}: {len} bytes wanted, {} left", rest.len()))
        })?;
        self.at += len;
        Ok(taken)
    }

    fn u8(&mut self, what: &str) -> Result<u8, ConvertError> {
        Ok(self.take(1, what)?[0])
    }

    fn u32(&mut self, what: &str) -> Result<u32, ConvertError> {
        let b = self.take(4, what)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn count(&mut self, what: &str) -> Result<u32, ConvertError> {
        let count = self.u32(what)?;
        if count > VARIABLES_MAX {
            return Err(self.bad(format!("{what} is {count}, at most {VARIABLES_MAX} make sense")));
        }
        Ok(count)
    }

    fn name(&mut self, what: &str) -> Result<&'a str, ConvertError> {
        let b = self.take(2, what)?;
        let len = u16::from_le_bytes([b[0], b[1]]);
        if len > NAME_LEN_MAX {
            return Err(self.bad(format!("{what} is {len} bytes long, at most {NAME_LEN_MAX}")));
        }
        let bytes = self.take(usize::from(len), what)?;
        let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        let printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(text) {
            Ok(text) if printable => Ok(text),
            _ => Err(self.bad(format!("{what} is not plain text"))),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Variable<'a>, ConvertError> {
        let rank = self.u8("a rank")?;
        if rank > RANK_MAX {
            return Err(self.bad(format!("{name} has {rank} dimensions, at most {RANK_MAX}")));
        }
        let mut dims = Vec::with_capacity(usize::from(rank));
        for _ in 0..rank {
            dims.push(self.u32("a dimension")? as usize);
        }
        let code = self.u8("a data type")?;
        let dtype = Dtype::from_code(code)
            .ok_or_else(|| self.bad(format!("{name} has the unknown data type {code}")))?;
        let n_bytes = self.u32("a length")? as usize;
        let expected =
            dims.iter().try_fold(dtype.size_bytes(), |product, dim| product.checked_mul(*dim));
        if expected != Some(n_bytes) {
            return Err(self.bad(format!(
                "{name} with dimensions {dims:?} of {dtype:?} cannot have {n_bytes} bytes"
            )));
        }
        Ok(Variable { dims, dtype, data: self.take(n_bytes, name)? })
    }
}

/// Writes such files, so that tests need no real weights.
#[cfg(test)]
pub mod testing {
    /// A variable to write: name, dimensions, data type code, bytes.
    pub type Var = (String, Vec<u32>, u8, Vec<u8>);

    fn put_name(out: &mut Vec<u8>, name: &str) {
        out.extend((name.len() as u16 + 1).to_le_bytes());
        out.extend(name.as_bytes());
        out.push(0);
    }

    /// A whole `model.bin`.
    pub fn write(variables: &[Var], aliases: &[(&str, &str)]) -> Vec<u8> {
        let mut out = 6u32.to_le_bytes().to_vec();
        put_name(&mut out, "WhisperSpec");
        out.extend(3u32.to_le_bytes());
        out.extend((variables.len() as u32).to_le_bytes());
        for (name, dims, dtype, data) in variables {
            put_name(&mut out, name);
            out.push(dims.len() as u8);
            dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.push(*dtype);
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(data);
        }
        out.extend((aliases.len() as u32).to_le_bytes());
        for (alias, target) in aliases {
            put_name(&mut out, alias);
            put_name(&mut out, target);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Vec<u8> {
        let heads = ("encoder/num_heads".to_owned(), vec![], 2, vec![6, 0]);
        let weight = ("a/weight".to_owned(), vec![2, 3], 4, (0..12).collect());
        testing::write(&[heads, weight], &[("b/weight", "a/weight")])
    }

    #[test]
    fn variables_scalars_and_aliases_are_read() {
        let bytes = small();
        let model = CtModel::parse(&bytes).expect("valid");
        assert_eq!(model.integer("encoder/num_heads"), Some(6));
        assert_eq!(model.integer("a/weight"), None);
        let weight = model.get("b/weight").expect("alias");
        assert_eq!((weight.dims.as_slice(), weight.dtype), (&[2, 3][..], Dtype::F16));
        assert_eq!(weight.data, (0..12).collect::<Vec<u8>>());
        assert!(matches!(model.get("nope"), Err(ConvertError::MissingVariable(_))));
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = small();
        for len in 0..bytes.len() {
            assert!(CtModel::parse(&bytes[..len]).is_err(), "cut to {len} bytes was accepted");
        }
    }

    #[test]
    fn hostile_files_say_what_is_wrong() {
        let edit = |at: usize, with: &[u8]| {
            let mut bytes = small();
            bytes[at..at + with.len()].copy_from_slice(with);
            bytes
        };
        // 0 version, 4 name (2 + 12), 18 revision, 22 count, 26 "encoder/num_heads" (2 + 18),
        // 46 rank, 47 dtype, 48 length
        let longer = [small(), vec![7]].concat();
        let twice = {
            let var = ("x".to_owned(), vec![], 1, vec![0]);
            testing::write(&[var.clone(), var], &[])
        };
        for (bytes, why) in [
            (edit(0, &[5]), "binary version 5"),
            (edit(6, b"Other"), "\"OthererSpec\" revision 3"),
            (edit(18, &[4]), "revision 4"),
            (edit(22, &[255; 4]), "at most 16384"),
            (edit(26, &[255, 255]), "at most 512"),
            (edit(28, &[0xff]), "not plain text"),
            (edit(46, &[200]), "200 dimensions"),
            (edit(47, &[9]), "unknown data type 9"),
            (edit(48, &[255; 4]), "cannot have 4294967295 bytes"),
            (longer, "1 bytes follow"),
            (twice, "comes twice"),
            (testing::write(&[], &[("a", "b")]), "points at nothing"),
        ] {
            let error = CtModel::parse(&bytes).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn dimensions_that_overflow_are_refused() {
        let var = ("x".to_owned(), vec![u32::MAX; 4], 0, vec![]);
        assert!(CtModel::parse(&testing::write(&[var], &[])).is_err());
    }
}
