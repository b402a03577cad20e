#!/bin/sh
# Puts in place what tests and lint need, and does nothing the second time.
#
#   prepare.sh test         BIRD 2, iproute2, the reference, rsyslog, node exporter, libfaketime, and
#                           what contrib/test-tools adds
#   prepare.sh lint         rustfmt, clippy, shellcheck
#   prepare.sh shellcheck   run shellcheck over every shell script of the tree
#   prepare.sh bird         BIRD 2 and iproute2 only (the demo)
#
# Packages that would start a service are either unpacked below the target directory and never installed (rsyslog,
# prometheus-node-exporter), or installed with the start of services switched off (bird2).
set -eu

cd "$(dirname "$0")/../.."
tools=${CARGO_TARGET_DIR:-target}/test-tools
venv=${CARGO_TARGET_DIR:-target}/reference-venv
reference=0.9.10

say() { echo "prepare: $*"; }
die() { echo "prepare: $*" >&2; exit 1; }
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif have sudo; then sudo "$@"
    else die "cannot run '$*': neither root nor sudo; install it by hand"
    fi
}

updated=
update_lists() {
    [ -z "$updated" ] || return 0
    have apt-get || die "no apt-get here: install bird2 (2.x), iproute2, rsyslog, prometheus-node-exporter by hand"
    as_root apt-get -qq update >/dev/null || say "cannot refresh the package lists: going on with the old ones"
    updated=yes
}

# apt-get install with a policy-rc.d that forbids starting services, unless the machine has a policy of its own.
install_packages() {
    say "installing $*"
    update_lists
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        made=yes
    fi
    log=$(mktemp)
    status=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 || status=$?
    [ -z "$made" ] || as_root rm -f $policy
    [ $status = 0 ] || { cat "$log" >&2; rm -f "$log"; die "cannot install $*"; }
    rm -f "$log"
}

# Unpacks packages below $tools; nothing of them is run or registered by dpkg.
unpack_packages() {
    say "unpacking $* below $tools"
    update_lists
    rm -rf "$tools.new"
    mkdir -p "$tools.new/debs" "$tools"
    (cd "$tools.new/debs" && chmod 755 . && apt-get -qq -o APT::Sandbox::User=root download "$@") || die "cannot download $*"
    for deb in "$tools.new/debs"/*.deb; do dpkg-deb -x "$deb" "$tools"; done
    rm -rf "$tools.new"
}

prepare_bird() {
    missing=
    have bird && have birdc || missing="bird2"
    have ip || missing="$missing iproute2"
    # shellcheck disable=SC2086
    [ -z "$missing" ] || install_packages $missing
    version=$(PATH=$PATH:/usr/sbin bird --version 2>&1)
    case $version in
    *" 2."* | *" 3."*) ;;
    *) die "the tests need BIRD 2 or 3, but 'bird --version' says: $version" ;;
    esac
}

prepare_tools() {
    set -- rsyslog libestr0 libfastjson4 liblognorm5 prometheus-node-exporter libfaketime
    [ "$(cat "$tools/packages" 2>/dev/null)" = "$*" ] && return 0
    unpack_packages "$@"
    echo "$*" >"$tools/packages"
}

prepare_reference() {
    [ -x "$venv/bin/anycast-healthchecker" ] && return 0
    have python3 || install_packages python3 python3-venv
    say "installing the reference $reference into $venv"
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        install_packages python3-venv
        python3 -m venv "$venv"
    fi
    "$venv/bin/pip" -q --disable-pip-version-check install "anycast-healthchecker==$reference" ||
        die "cannot install the reference from PyPI"
    "$venv/bin/anycast-healthchecker" --version >/dev/null || die "the reference does not start"
}

run_shellcheck() {
    scripts=$(git ls-files -co --exclude-standard | while read -r file; do
        [ -f "$file" ] || continue
        case $file in *.rs | *.md | *.json | *.yml) continue ;; esac
        if LC_ALL=C head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](sh|bash|dash|ash)( |$)'; then echo "$file"; fi
    done)
    # shellcheck disable=SC2086
    shellcheck -x $scripts
    # shellcheck disable=SC2086
    echo "shellcheck: $(echo $scripts | wc -w) scripts, nothing found"
}

case ${1:-} in
test)
    have cargo || die "cargo is missing: install Rust 1.85 or later, https://rustup.rs"
    have cc || install_packages gcc libc6-dev
    have strace || install_packages strace
    prepare_bird
    prepare_tools
    prepare_reference
    contrib/test-tools
    say "ready: $(PATH=$PATH:/usr/sbin bird --version 2>&1), reference $reference, more tools in $tools"
    ;;
bird) prepare_bird ;;
lint)
    cargo fmt --version >/dev/null 2>&1 || die "cargo fmt is missing: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || die "cargo clippy is missing: rustup component add clippy"
    have shellcheck || install_packages shellcheck
    ;;
shellcheck) run_shellcheck ;;
*)
    sed -n '2,10p' "$0"
    exit 2
    ;;
esac
