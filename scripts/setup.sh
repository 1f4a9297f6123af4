# Sourced by the other scripts: brings a Debian machine to where frontdoor builds and runs.
# Safe to run again; what is there is left alone.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/frontdoor"
# The target folder lives outside the checkout, so that a fresh clone finds the dependencies built.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

# Checks licences and sources of the dependencies.
cargo_deny=0.18.9

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need_apt PROGRAM=PACKAGE...: installs the packages of the programs that are missing.
need_apt() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null 2>&1 || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null 2>&1 \
    || die "please install: ${missing[*]} (this machine has no apt-get, so it can't be done for you)"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "run this as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
}

if ! command -v cargo >/dev/null 2>&1 && [ -f "$HOME/.cargo/env" ]; then
  # shellcheck disable=SC1091
  . "$HOME/.cargo/env"
fi
command -v cargo >/dev/null 2>&1 || die "Rust is missing: install it with rustup, then run this again"
need_apt cmake=cmake g++=g++ make=make python3=python3 espeak-ng=espeak-ng
python3 -m pip --version >/dev/null 2>&1 || need_apt no-such-program-pip=python3-pip

frontdoor="$CARGO_TARGET_DIR/release/frontdoor"

build() {
  say "building (the first time takes 10 to 20 minutes on two cores)"
  cargo build --release --locked
}

# The same with all tests. Their dependencies ask more of shared ones, so that this and `build` are two
# builds of nearly everything: who runs tests builds only this, which makes the program, too.
build_with_tests() {
  say "building (the first time takes 20 to 30 minutes on two cores)"
  cargo test --release --locked --no-run
}

models() {
  say "models"
  "$frontdoor" models fetch
}

# Telephones and servers of other people, for tests only.
peers() {
  need_apt sipp=sip-tester baresip=baresip flite=flite linphonec=linphone-cli kamailio=kamailio
  # Its TLS is a package of its own.
  [ -n "$(find /usr/lib -path '*kamailio/modules/tls.so' -print -quit)" ] || need_apt no-such-program=kamailio-tls-modules
  python="$cache/python"
  if ! PYTHONPATH="$python" python3 -c 'import pjsua2' >/dev/null 2>&1; then
    say "installing the PJSIP client (for tests only) into $python"
    python3 -m pip install --quiet --disable-pip-version-check --target "$python" \
      'pjsua2-python==2.15.1.post1'
  fi
  if ! PYTHONPATH="$python" python3 -c 'import aiortc' >/dev/null 2>&1; then
    say "installing a browser's media without a browser (for tests only) into $python"
    python3 -m pip install --quiet --disable-pip-version-check --target "$python" 'aiortc==1.14.0'
  fi
  export FRONTDOOR_TEST_PYTHONPATH="$python"
}

# A browser, what drives it, and what looks for faults of accessibility, for tests only.
browser() {
  need_apt chromium=chromium chromedriver=chromium-driver npm=npm
  python="$cache/python"
  if ! PYTHONPATH="$python" python3 -c 'import selenium' >/dev/null 2>&1; then
    say "installing selenium (for tests only) into $python"
    python3 -m pip install --quiet --disable-pip-version-check --target "$python" 'selenium==4.51.0'
  fi
  axe="$cache/axe-core-4.14.1/axe.min.js"
  if [ ! -f "$axe" ]; then
    local folder
    folder="$(mktemp -d)"
    (cd "$folder" && npm pack --silent axe-core@4.14.1 >/dev/null && tar -xzf axe-core-4.14.1.tgz)
    mkdir -p "$(dirname "$axe")"
    mv "$folder/package/axe.min.js" "$axe"
    rm -rf "$folder"
  fi
  export FRONTDOOR_TEST_PYTHONPATH="$python"
}
