//! Writes a Whisper model in whisper.cpp's ggml format, and checks such files.
//!
//! ```text
//! u32 magic; i32 x 11 sizes; i32 n_mels; i32 n_bins; f32 filters
//! i32 n_tokens; n x { i32 len; bytes }
//! then tensors: i32 n_dims; i32 name_len; i32 type; i32 dims (innermost first); name; data
//! ```
//! The tensors come in the order of OpenAI's checkpoints, so that the result is byte for byte the
//! file that the whisper.cpp project publishes: one can check it against its published checksum.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use super::ctranslate2::{CtModel, Dtype};
use super::mel::{N_FFT_BINS, filter_bank};
use super::tokens::Tokens;
use super::{ConvertError, ModelError};

const MAGIC: u32 = 0x6767_6d6c;
const TYPE_F32: i32 = 0;
const TYPE_F16: i32 = 1;
/// Every Whisper model uses heads of this width.
const HEAD_WIDTH: usize = 64;
/// Whisper large has 32 layers in each half.
const LAYERS_MAX: usize = 64;

/// Sizes of a model, as the header states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens, special ones included: 51864 is English only.
    pub n_vocab: usize,
    /// Encoder positions of 20 ms.
    pub n_audio_ctx: usize,
    /// Width of both halves.
    pub n_state: usize,
    /// Attention heads of both halves.
    pub n_head: usize,
    /// Encoder layers.
    pub n_audio_layer: usize,
    /// Decoder positions.
    pub n_text_ctx: usize,
    /// Decoder layers.
    pub n_text_layer: usize,
    /// Mel bands.
    pub n_mels: usize,
}

impl Sizes {
    fn of(model: &CtModel<'_>) -> Result<Self, ConvertError> {
        let dims = |name: &str, rank: usize| {
            let dims = &model.get(name)?.dims;
            if dims.len() == rank && dims.iter().all(|d| *d > 0) {
                Ok(dims.clone())
            } else {
                Err(ConvertError::Shape { name: name.to_owned(), why: format!("{dims:?}") })
            }
        };
        let embedding = dims("decoder/embeddings/weight", 2)?;
        let n_state = embedding[1];
        let heads = model.integer("encoder/num_heads").and_then(|n| usize::try_from(n).ok());
        let sizes = Self {
            n_vocab: embedding[0],
            n_audio_ctx: dims("encoder/position_encodings/encodings", 2)?[0],
            n_state,
            n_head: heads.unwrap_or(n_state / HEAD_WIDTH),
            n_audio_layer: count_layers(model, "encoder")?,
            n_text_ctx: dims("decoder/position_encodings/encodings", 2)?[0],
            n_text_layer: count_layers(model, "decoder")?,
            n_mels: dims("encoder/conv1/weight", 3)?[1],
        };
        if sizes.n_head == 0 || n_state % sizes.n_head != 0 || !(2..=256).contains(&sizes.n_mels) {
            let why = format!("{} heads and {} mel bands", sizes.n_head, sizes.n_mels);
            return Err(ConvertError::Shape { name: "encoder".to_owned(), why });
        }
        Ok(sizes)
    }

    fn header(&self) -> [usize; 11] {
        [
            self.n_vocab,
            self.n_audio_ctx,
            self.n_state,
            self.n_head,
            self.n_audio_layer,
            self.n_text_ctx,
            self.n_state,
            self.n_head,
            self.n_text_layer,
            self.n_mels,
            1, // matrices are f16
        ]
    }
}

/// The file does not say how many layers it has.
fn count_layers(model: &CtModel<'_>, half: &str) -> Result<usize, ConvertError> {
    let first_of = |n| format!("{half}/layer_{n}/self_attention/linear_0/weight");
    let count = (0..=LAYERS_MAX).take_while(|n| model.get(&first_of(*n)).is_ok()).count();
    match count {
        0 => Err(ConvertError::MissingVariable(first_of(0))),
        n if n > LAYERS_MAX => Err(ConvertError::Shape {
            name: half.to_owned(),
            why: format!("more than {LAYERS_MAX} layers"),
        }),
        n => Ok(n),
    }
}

/// Writes `model` with `tokens` as a ggml file.
///
/// # Errors
/// [`ConvertError`] when a variable is missing, has another shape or type than Whisper's, or
/// `out` fails.
pub fn write_ggml(
    model: &CtModel<'_>,
    tokens: &Tokens,
    out: &mut impl Write,
) -> Result<(), ConvertError> {
    let sizes = Sizes::of(model)?;
    if tokens.as_slice().len() > sizes.n_vocab {
        return Err(ConvertError::Tokenizer(format!(
            "{} tokens for a model that knows {}",
            tokens.as_slice().len(),
            sizes.n_vocab
        )));
    }
    out.write_all(&MAGIC.to_le_bytes())?;
    for size in sizes.header() {
        put(out, size)?;
    }
    put(out, sizes.n_mels)?;
    put(out, N_FFT_BINS)?;
    for weight in filter_bank(sizes.n_mels) {
        out.write_all(&weight.to_le_bytes())?;
    }
    put(out, tokens.as_slice().len())?;
    for token in tokens.as_slice() {
        put(out, token.len())?;
        out.write_all(token)?;
    }
    TensorWriter { model, sizes: &sizes, out }.all()
}

fn put(out: &mut impl Write, number: usize) -> Result<(), ConvertError> {
    let number = i32::try_from(number).map_err(|_| ConvertError::Shape {
        name: "a size".to_owned(),
        why: format!("{number} does not fit in 32 bits"),
    })?;
    Ok(out.write_all(&number.to_le_bytes())?)
}

/// Which equal share of a variable's rows: query, key and value lie in one.
#[derive(Clone, Copy)]
struct Share {
    index: usize,
    of: usize,
}

const WHOLE: Share = Share { index: 0, of: 1 };

struct TensorWriter<'m, 'a, W> {
    model: &'m CtModel<'a>,
    sizes: &'m Sizes,
    out: &'m mut W,
}

impl<'a, W: Write> TensorWriter<'_, 'a, W> {
    fn all(&mut self) -> Result<(), ConvertError> {
        let Sizes { n_vocab, n_audio_ctx, n_state, n_text_ctx, n_mels, .. } = *self.sizes;
        for (half, n_ctx) in [("decoder", n_text_ctx), ("encoder", n_audio_ctx)] {
            let to = format!("{half}.positional_embedding");
            let from = format!("{half}/position_encodings/encodings");
            self.tensor(&to, &from, &[n_ctx, n_state], WHOLE, TYPE_F32)?;
        }
        let embedding = "decoder.token_embedding.weight";
        self.matrix(embedding, "decoder/embeddings/weight", &[n_vocab, n_state], WHOLE)?;
        for layer in 0..self.sizes.n_text_layer {
            self.block("decoder", layer)?;
        }
        self.norm("decoder.ln", "decoder/layer_norm")?;
        for (conv, n_in) in [("conv1", n_mels), ("conv2", n_state)] {
            let (to, from) = (format!("encoder.{conv}"), format!("encoder/{conv}"));
            let dims = [n_state, n_in, 3];
            self.matrix(&format!("{to}.weight"), &format!("{from}/weight"), &dims, WHOLE)?;
            self.conv_bias(&format!("{to}.bias"), &format!("{from}/bias"))?;
        }
        for layer in 0..self.sizes.n_audio_layer {
            self.block("encoder", layer)?;
        }
        self.norm("encoder.ln_post", "encoder/layer_norm")
    }

    fn block(&mut self, half: &str, layer: usize) -> Result<(), ConvertError> {
        let n = self.sizes.n_state;
        let to = format!("{half}.blocks.{layer}");
        let from = format!("{half}/layer_{layer}");
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"))?;
        self.linear(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"), [4 * n, n])?;
        self.linear(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"), [n, 4 * n])?;

        let own = format!("{from}/self_attention");
        self.norm(&format!("{to}.attn_ln"), &format!("{own}/layer_norm"))?;
        let (attn, qkv) = (format!("{to}.attn"), format!("{own}/linear_0"));
        self.share(&attn, "query", &qkv, Share { index: 0, of: 3 })?;
        self.share(&attn, "key", &qkv, Share { index: 1, of: 3 })?;
        self.share(&attn, "value", &qkv, Share { index: 2, of: 3 })?;
        self.linear(&format!("{attn}.out"), &format!("{own}/linear_1"), [n, n])?;
        if half == "encoder" {
            return Ok(());
        }

        let cross = format!("{from}/attention");
        self.norm(&format!("{to}.cross_attn_ln"), &format!("{cross}/layer_norm"))?;
        let (attn, kv) = (format!("{to}.cross_attn"), format!("{cross}/linear_1"));
        self.linear(&format!("{attn}.query"), &format!("{cross}/linear_0"), [n, n])?;
        self.share(&attn, "key", &kv, Share { index: 0, of: 2 })?;
        self.share(&attn, "value", &kv, Share { index: 1, of: 2 })?;
        self.linear(&format!("{attn}.out"), &format!("{cross}/linear_2"), [n, n])
    }

    /// One of query, key and value. Whisper's keys have no bias; CTranslate2 pads it with zeros.
    fn share(
        &mut self,
        attn: &str,
        part: &str,
        from: &str,
        share: Share,
    ) -> Result<(), ConvertError> {
        let n = self.sizes.n_state;
        let (weight, bias) = (format!("{from}/weight"), format!("{from}/bias"));
        self.matrix(&format!("{attn}.{part}.weight"), &weight, &[share.of * n, n], share)?;
        if part != "key" {
            let to = format!("{attn}.{part}.bias");
            return self.tensor(&to, &bias, &[share.of * n], share, TYPE_F32);
        }
        let (_, data) = self.rows(&bias, &[share.of * n], share)?;
        if data.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(ConvertError::Shape { name: bias, why: "keys with a bias".to_owned() })
    }

    fn norm(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        let dims = [self.sizes.n_state];
        for (ours, theirs) in [("weight", "gamma"), ("bias", "beta")] {
            let (to, from) = (format!("{to}.{ours}"), format!("{from}/{theirs}"));
            self.tensor(&to, &from, &dims, WHOLE, TYPE_F32)?;
        }
        Ok(())
    }

    fn linear(&mut self, to: &str, from: &str, dims: [usize; 2]) -> Result<(), ConvertError> {
        self.matrix(&format!("{to}.weight"), &format!("{from}/weight"), &dims, WHOLE)?;
        let (to, from) = (format!("{to}.bias"), format!("{from}/bias"));
        self.tensor(&to, &from, &dims[..1], WHOLE, TYPE_F32)
    }

    fn matrix(
        &mut self,
        to: &str,
        from: &str,
        dims: &[usize],
        share: Share,
    ) -> Result<(), ConvertError> {
        self.tensor(to, from, dims, share, TYPE_F16)
    }

    /// whisper.cpp adds this bias to a matrix and wants it as a column.
    fn conv_bias(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        let n = self.sizes.n_state;
        let (dtype, data) = self.rows(from, &[n], WHOLE)?;
        self.put_tensor(to, &[n, 1], TYPE_F32, &to_type(from, dtype, data, TYPE_F32)?)
    }

    /// Writes a share of `from`, whose dimensions must be `dims`, as the tensor `to`.
    fn tensor(
        &mut self,
        to: &str,
        from: &str,
        dims: &[usize],
        share: Share,
        ggml_type: i32,
    ) -> Result<(), ConvertError> {
        let (dtype, data) = self.rows(from, dims, share)?;
        let mut dims = dims.to_vec();
        dims[0] /= share.of;
        self.put_tensor(to, &dims, ggml_type, &to_type(from, dtype, data, ggml_type)?)
    }

    fn rows(
        &self,
        from: &str,
        dims: &[usize],
        share: Share,
    ) -> Result<(Dtype, &'a [u8]), ConvertError> {
        let variable = self.model.get(from)?;
        if variable.dims != dims {
            let why = format!("{:?} where Whisper has {dims:?}", variable.dims);
            return Err(ConvertError::Shape { name: from.to_owned(), why });
        }
        // The first dimension is `of * n`, so the bytes divide evenly.
        let len = variable.data.len() / share.of;
        Ok((variable.dtype, &variable.data[share.index * len..(share.index + 1) * len]))
    }

    fn put_tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        ggml_type: i32,
        data: &[u8],
    ) -> Result<(), ConvertError> {
        put(self.out, dims.len())?;
        put(self.out, name.len())?;
        self.out.write_all(&ggml_type.to_le_bytes())?;
        for dim in dims.iter().rev() {
            put(self.out, *dim)?;
        }
        self.out.write_all(name.as_bytes())?;
        Ok(self.out.write_all(data)?)
    }
}

/// Exact conversions only: widening never changes a weight, narrowing or scaling would.
fn to_type<'d>(
    name: &str,
    dtype: Dtype,
    data: &'d [u8],
    ggml_type: i32,
) -> Result<std::borrow::Cow<'d, [u8]>, ConvertError> {
    match (dtype, ggml_type) {
        (Dtype::F16, TYPE_F16) | (Dtype::F32, TYPE_F32) => Ok(data.into()),
        (Dtype::F16, TYPE_F32) => {
            let halves = data.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
            Ok(halves.flat_map(|h| widen(h).to_le_bytes()).collect::<Vec<u8>>().into())
        }
        _ => Err(ConvertError::Shape {
            name: name.to_owned(),
            why: format!("stored as {dtype:?}; only f16 models are converted"),
        }),
    }
}

/// Half to single precision (IEEE 754), exact.
fn widen(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    let magnitude = match (exponent, fraction) {
        // Subnormal: fraction / 2^24, exact in single precision.
        (0, fraction) => (fraction as f32 / 16_777_216.0).to_bits(),
        (0x1f, fraction) => 0x7f80_0000 | (fraction << 13),
        // The exponents' biases are 15 and 127.
        (exponent, fraction) => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// Walks a ggml file of a Whisper model from the magic to the last tensor without loading it.
///
/// # Errors
/// [`ModelError::NotGgml`] with what is wrong: another kind of file, impossible sizes, cut short,
/// bytes after the end.
pub fn check_ggml_file(path: &Path) -> Result<(), ModelError> {
    let not_ggml = |why: String| ModelError::NotGgml { path: path.to_owned(), why };
    let file = File::open(path).map_err(|e| not_ggml(e.to_string()))?;
    let len = file.metadata().map_err(|e| not_ggml(e.to_string()))?.len();
    let mut walk = Walk { file: BufReader::with_capacity(1 << 16, file), at: 0, len };
    walk.whole().map_err(|why| not_ggml(format!("{why} (at byte {} of {len})", walk.at)))
}

struct Walk {
    file: BufReader<File>,
    at: u64,
    len: u64,
}

impl Walk {
    fn whole(&mut self) -> Result<(), String> {
        if self.number()? as u32 != MAGIC {
            return Err("the magic number is not that of a ggml file".to_owned());
        }
        let mut sizes = [0; 11];
        for size in &mut sizes {
            *size = self.bounded(1 << 17, "a size in the header")?;
        }
        let (n_state, n_head, n_mels) = (sizes[2], sizes[3], sizes[9]);
        let plausible = sizes[0] > 1_000 && n_state == sizes[6] && [80, 128].contains(&n_mels);
        if !plausible || n_head == 0 || n_state != n_head * HEAD_WIDTH as u64 {
            return Err(format!("its header {sizes:?} is not that of a Whisper model"));
        }
        let n_filters = self.bounded(256, "the mel bands")? * self.bounded(1 << 12, "the bins")?;
        self.skip(4 * n_filters)?;
        for _ in 0..self.bounded(1 << 17, "the number of tokens")? {
            let len = self.bounded(1 << 12, "the length of a token")?;
            self.skip(len)?;
        }
        let mut n_tensors = 0;
        while self.at < self.len {
            self.tensor()?;
            n_tensors += 1;
        }
        // Embeddings, convolutions and norms; each encoder layer has 15 tensors, each decoder 24.
        let expected = 11 + 15 * sizes[4] + 24 * sizes[8];
        if n_tensors != expected {
            return Err(format!("{n_tensors} tensors in place of {expected}"));
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<(), String> {
        let n_dims = self.bounded(4, "the number of dimensions")?;
        let name_len = self.bounded(256, "the length of a name")?;
        let ggml_type = self.bounded(64, "a tensor's type")?;
        let mut count = 1;
        for _ in 0..n_dims {
            count *= self.bounded(1 << 17, "a dimension")?.max(1);
        }
        self.skip(name_len)?;
        // Numbers per block and bytes per block of the types that whisper.cpp's tools write.
        let (block, size_bytes) = match ggml_type {
            0 => (1, 4),
            1 => (1, 2),
            2 => (32, 18),
            3 => (32, 20),
            6 => (32, 22),
            7 => (32, 24),
            8 => (32, 34),
            10 => (256, 84),
            11 => (256, 110),
            12 => (256, 144),
            13 => (256, 176),
            14 => (256, 210),
            other => return Err(format!("the tensor type {other} is unknown")),
        };
        self.skip(count / block * size_bytes)
    }

    fn number(&mut self) -> Result<i32, String> {
        let mut bytes = [0; 4];
        self.file.read_exact(&mut bytes).map_err(|_| "it is cut short".to_owned())?;
        self.at += 4;
        Ok(i32::from_le_bytes(bytes))
    }

    fn bounded(&mut self, max: u64, what: &str) -> Result<u64, String> {
        let number = self.number()?;
        u64::try_from(number)
            .ok()
            .filter(|n| *n <= max)
            .ok_or_else(|| format!("{what} is {number}, at most {max} makes sense"))
    }

    fn skip(&mut self, len: u64) -> Result<(), String> {
        if len > self.len - self.at {
            return Err("it is cut short".to_owned());
        }
        let step = i64::try_from(len).map_err(|e| e.to_string())?;
        self.file.seek_relative(step).map_err(|e| e.to_string())?;
        self.at += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ctranslate2::testing::{Var, write};
    use super::*;
    use proptest::prelude::*;

    /// Sizes of a made-up model: `n_state`, `n_head`, layers of each half, `n_vocab`.
    type Made = (u32, u8, u32, u32);
    const SMALL: Made = (8, 2, 2, 5);

    fn f16_var(name: String, dims: Vec<u32>) -> Var {
        let count: u32 = dims.iter().product();
        // Finite halves, different in each place; the name's length sets variables apart.
        let half = |i: u32| ((i + 7 * name.len() as u32) % 0x7c00) as u16;
        let keys = if name.ends_with("self_attention/linear_0/bias") { 1..2 } else { 0..0 };
        let keys = if name.ends_with("/attention/linear_1/bias") { 0..1 } else { keys };
        let n = count / if name.contains("/linear_0") { 3 } else { 2 };
        let is_key = |i: u32| keys.contains(&(i / n.max(1)));
        let data = (0..count).flat_map(|i| if is_key(i) { [0; 2] } else { half(i).to_le_bytes() });
        let data = data.collect();
        (name, dims, 4, data)
    }

    fn made(sizes: Made) -> Vec<Var> {
        let (n, n_head, layers, n_vocab) = sizes;
        let mut vars = vec![("encoder/num_heads".to_owned(), vec![], 1, vec![n_head])];
        let mut add = |name: String, dims: &[u32]| vars.push(f16_var(name, dims.to_vec()));
        add("decoder/embeddings/weight".to_owned(), &[n_vocab, n]);
        for (half, ctx) in [("encoder", 6), ("decoder", 4)] {
            add(format!("{half}/position_encodings/encodings"), &[ctx, n]);
            let mut norms = vec![format!("{half}/layer_norm")];
            let mut linears = Vec::new();
            for layer in 0..layers {
                let at = format!("{half}/layer_{layer}");
                linears.push((format!("{at}/self_attention/linear_0"), 3 * n, n));
                linears.push((format!("{at}/self_attention/linear_1"), n, n));
                linears.push((format!("{at}/ffn/linear_0"), 4 * n, n));
                linears.push((format!("{at}/ffn/linear_1"), n, 4 * n));
                norms.push(format!("{at}/self_attention/layer_norm"));
                norms.push(format!("{at}/ffn/layer_norm"));
                if half == "decoder" {
                    linears.push((format!("{at}/attention/linear_0"), n, n));
                    linears.push((format!("{at}/attention/linear_1"), 2 * n, n));
                    linears.push((format!("{at}/attention/linear_2"), n, n));
                    norms.push(format!("{at}/attention/layer_norm"));
                }
            }
            for norm in norms {
                add(format!("{norm}/gamma"), &[n]);
                add(format!("{norm}/beta"), &[n]);
            }
            for (linear, rows, columns) in linears {
                add(format!("{linear}/weight"), &[rows, columns]);
                add(format!("{linear}/bias"), &[rows]);
            }
        }
        for (conv, n_in) in [("conv1", 80), ("conv2", n)] {
            add(format!("encoder/{conv}/weight"), &[n, n_in, 3]);
            add(format!("encoder/{conv}/bias"), &[n]);
        }
        vars
    }

    fn tokens() -> Tokens {
        let json = br#"{"model": {"vocab": {"a": 0, "\u0120b": 1, "c": 2}}}"#;
        Tokens::from_tokenizer_json(json, 3).expect("valid")
    }

    fn convert(vars: &[Var]) -> Result<Vec<u8>, ConvertError> {
        let bytes = write(vars, &[("decoder/projection/weight", "decoder/embeddings/weight")]);
        let mut out = Vec::new();
        write_ggml(&CtModel::parse(&bytes)?, &tokens(), &mut out)?;
        Ok(out)
    }

    struct Tensor {
        name: String,
        dims: Vec<i32>,
        ggml_type: i32,
        data: Vec<u8>,
    }

    /// A second, simple reader, so that the writer is not checked against itself.
    fn read_tensors(mut rest: &[u8]) -> Vec<Tensor> {
        fn take<'b>(rest: &mut &'b [u8], n: usize) -> &'b [u8] {
            let (head, tail) = rest.split_at(n);
            *rest = tail;
            head
        }
        let number =
            |rest: &mut &[u8]| i32::from_le_bytes(take(rest, 4).try_into().expect("four bytes"));
        let mut tensors = Vec::new();
        while !rest.is_empty() {
            let (n_dims, len, ggml_type) =
                (number(&mut rest), number(&mut rest), number(&mut rest));
            let dims: Vec<i32> = (0..n_dims).map(|_| number(&mut rest)).collect();
            let name = String::from_utf8(take(&mut rest, len as usize).to_vec()).expect("text");
            let size = if ggml_type == TYPE_F32 { 4 } else { 2 };
            let data = take(&mut rest, dims.iter().product::<i32>() as usize * size).to_vec();
            tensors.push(Tensor { name, dims, ggml_type, data });
        }
        tensors
    }

    const TOKENS_AT: usize = 48 + 8 + 4 * 80 * 201;
    /// Three tokens: "a", " b", "c".
    const TENSORS_AT: usize = TOKENS_AT + 4 + 5 + 6 + 5;

    #[test]
    fn the_header_states_the_sizes_and_tokens_follow_the_filters() {
        let out = convert(&made(SMALL)).expect("converted");
        let number = |at: usize| i32::from_le_bytes(out[at..at + 4].try_into().expect("four"));
        let header: Vec<i32> = (0..14).map(|i| number(4 * i)).collect();
        assert_eq!(header, [MAGIC as i32, 5, 6, 8, 2, 2, 4, 8, 2, 2, 80, 1, 80, 201]);
        let tokens = [&[3, 0, 0, 0, 1, 0, 0, 0, b'a', 2, 0, 0, 0][..], b" b", &[1, 0, 0, 0, b'c']];
        assert_eq!(out[TOKENS_AT..TENSORS_AT], tokens.concat());
    }

    #[test]
    fn tensors_have_the_names_shapes_types_and_order_of_whisper() {
        let out = convert(&made(SMALL)).expect("converted");
        let tensors = read_tensors(&out[TENSORS_AT..]);
        assert_eq!(tensors.len(), 11 + 2 * 15 + 2 * 24);
        for (index, name, dims, ggml_type) in [
            (0, "decoder.positional_embedding", &[8, 4][..], TYPE_F32),
            (1, "encoder.positional_embedding", &[8, 6], TYPE_F32),
            (2, "decoder.token_embedding.weight", &[8, 5], TYPE_F16),
            (3, "decoder.blocks.0.mlp_ln.weight", &[8], TYPE_F32),
            (5, "decoder.blocks.0.mlp.0.weight", &[8, 32], TYPE_F16),
            (11, "decoder.blocks.0.attn.query.weight", &[8, 8], TYPE_F16),
            (13, "decoder.blocks.0.attn.key.weight", &[8, 8], TYPE_F16),
            (14, "decoder.blocks.0.attn.value.weight", &[8, 8], TYPE_F16),
            (22, "decoder.blocks.0.cross_attn.key.weight", &[8, 8], TYPE_F16),
            (51, "decoder.ln.weight", &[8], TYPE_F32),
            (53, "encoder.conv1.weight", &[3, 80, 8], TYPE_F16),
            (54, "encoder.conv1.bias", &[1, 8], TYPE_F32),
            (57, "encoder.blocks.0.mlp_ln.weight", &[8], TYPE_F32),
            (88, "encoder.ln_post.bias", &[8], TYPE_F32),
        ] {
            let tensor = &tensors[index];
            assert_eq!(tensor.name, name, "tensor {index}");
            assert_eq!((&tensor.dims[..], tensor.ggml_type), (dims, ggml_type), "{name}");
        }
        let key_biases = tensors.iter().filter(|t| t.name.ends_with("key.bias")).count();
        assert_eq!(key_biases, 0);
    }

    #[test]
    fn shares_and_values_land_where_they_belong() {
        let vars = made(SMALL);
        let from = |name: &str| &vars.iter().find(|v| v.0 == name).expect("made").3;
        let out = convert(&vars).expect("converted");
        let tensors = read_tensors(&out[TENSORS_AT..]);
        let to = |name: &str| &tensors.iter().find(|t| t.name == name).expect("written").data;

        let qkv = from("encoder/layer_1/self_attention/linear_0/weight");
        for (index, part) in ["query", "key", "value"].iter().enumerate() {
            let rows = &qkv[index * 128..(index + 1) * 128];
            assert_eq!(to(&format!("encoder.blocks.1.attn.{part}.weight")), rows, "{part}");
        }
        let kv = from("decoder/layer_0/attention/linear_1/weight");
        assert_eq!(to("decoder.blocks.0.cross_attn.key.weight"), &kv[..128]);
        assert_eq!(to("decoder.blocks.0.cross_attn.value.weight"), &kv[128..]);

        let wide = |halves: &[u8]| -> Vec<u8> {
            let halves = halves.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
            halves.flat_map(|h| widen(h).to_le_bytes()).collect()
        };
        let bias = from("decoder/layer_0/attention/linear_1/bias");
        assert_eq!(*to("decoder.blocks.0.cross_attn.value.bias"), wide(&bias[16..]));
        assert_eq!(*to("encoder.conv2.bias"), wide(from("encoder/conv2/bias")));
    }

    #[test]
    fn halves_widen_exactly() {
        for (half, expected) in [
            (0x0000, 0.0f32),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(widen(half).to_bits(), expected.to_bits(), "{half:#06x}");
        }
        assert!(widen(0x7e00).is_nan());
    }

    #[test]
    fn models_that_are_not_whisper_say_why() {
        let without = |name: &str| {
            made(SMALL).into_iter().filter(|v| !v.0.starts_with(name)).collect::<Vec<_>>()
        };
        let with = |name: &str, edit: fn(&mut Var)| {
            let mut vars = made(SMALL);
            edit(vars.iter_mut().find(|v| v.0 == name).expect("made"));
            vars
        };
        let key = "encoder/layer_0/self_attention/linear_0/bias";
        for (vars, why) in [
            (without("decoder/position"), "the weights lack decoder/position_encodings/encodings"),
            (without("encoder/layer_"), "lack encoder/layer_0/self_attention/linear_0/weight"),
            (
                without("encoder/layer_1/ffn/linear_1/bias"),
                "lack encoder/layer_1/ffn/linear_1/bias",
            ),
            (with("encoder/conv1/bias", |v| v.1 = vec![4, 2]), "[4, 2] where Whisper has [8]"),
            (with("encoder/conv1/weight", |v| v.1 = vec![8, 240]), "[8, 240]"),
            (with("encoder/num_heads", |v| v.3 = vec![3]), "3 heads"),
            (with("encoder/conv1/bias", |v| v.2 = 5), "stored as Bf16"),
            (with(key, |v| v.3[16] = 1), "keys with a bias"),
            (made((8, 2, 2, 2)), "3 tokens for a model that knows 2"),
        ] {
            let error = convert(&vars).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn a_whole_file_passes_the_walk_and_a_cut_one_does_not() {
        let out = convert(&made((64, 1, 1, 1_200))).expect("converted");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ggml-made.bin");
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            check_ggml_file(&path).map_err(|e| e.to_string())
        };
        assert_eq!(check(&out), Ok(()));
        let mut other_width = out.clone();
        other_width[12] = 65;
        for (bytes, why) in [
            (&out[..out.len() - 1], "cut short"),
            (&out[..40], "cut short"),
            (&out[..], "tensors in place of"),
            (&other_width, "not that of a Whisper model"),
            (b"GGUF\x03\0\0\0", "magic number"),
        ] {
            // The last encoder norm's bias: 12 + 4 bytes of header, the name, 64 numbers.
            let last = 16 + "encoder.ln_post.bias".len() + 256;
            let whole_but_last = why == "tensors in place of";
            let bytes = if whole_but_last { &bytes[..bytes.len() - last] } else { bytes };
            let error = check(bytes).expect_err(why);
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Neither cut nor altered files make the reader or the writer panic.
        #[test]
        fn hostile_weights_never_panic(
            len in 0usize..30_000,
            edits in prop::collection::vec((0usize..30_000, any::<u8>()), 0..6),
        ) {
            let mut bytes = write(&made(SMALL), &[("a", "decoder/embeddings/weight")]);
            for (at, value) in edits {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(len.max(bytes.len() / 2));
            if let Ok(model) = CtModel::parse(&bytes) {
                let _ = write_ggml(&model, &tokens(), &mut std::io::sink());
            }
        }
    }
}
