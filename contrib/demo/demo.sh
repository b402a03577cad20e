#!/usr/bin/env bash
# Shows anycast-healthchecker at work, on one machine and without touching it: a service with an anycast address,
# the daemon, BIRD, and a second BIRD as BGP peer, in network namespaces that end with this script.
#
#   make demo             build and show (installs BIRD 2 if it is missing)
#   PROGRAM=FILE demo.sh  show this binary instead of building one
#   STAND_IN=yes demo.sh  without BIRD and namespaces
#
# Exit status 0 if every step happened.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

cd "$(dirname "$0")/../.."
here=$(pwd)
self=$here/contrib/demo/demo.sh

PORT=8053
# Longest wait for one step; each takes a fraction of a second.
STEP_LIMIT_S=20

die() { echo "demo: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Microseconds since 1970.
now() {
    local time=${EPOCHREALTIME:-}
    if [ -n "$time" ]; then echo "${time/[.,]/}"; else echo $(($(date +%s%N) / 1000)); fi
}

# --------------------------------------------------------------------------------------------------------------------
# Before: what is missing, the binary, the namespaces.

install_bird() {
    have bird && have birdc && have ip && return 0
    echo "demo: BIRD or iproute2 is missing, trying to install it"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        have sudo || return 1
        root=(sudo)
    fi
    if have apt-get; then tests/support/prepare.sh bird
    elif have dnf; then "${root[@]}" dnf -q -y install bird iproute
    elif have apk; then "${root[@]}" apk -q add bird iproute2
    elif have opkg; then "${root[@]}" opkg update >/dev/null && "${root[@]}" opkg install bird2 bird2c ip-full
    else return 1
    fi
    have bird && have birdc && have ip
}

build() {
    if [ -z "${PROGRAM:-}" ]; then
        have cargo || die "cargo is missing: install Rust 1.85 or later (https://rustup.rs), or name a binary in PROGRAM"
        have cc || die "cc is missing: install gcc and libc6-dev, or name a binary in PROGRAM"
        echo "demo: building"
        cargo build --release --locked --quiet
        PROGRAM=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
        PROGRAM=$PROGRAM/release/anycast-healthchecker
    fi
    [ -x "$PROGRAM" ] || die "no such program: $PROGRAM"
    export PROGRAM
}

# Runs this script again in a network namespace of its own, as root or as root of a user namespace.
enter() {
    local how
    for how in "--net" "--net --map-root-user"; do
        # shellcheck disable=SC2086
        if unshare $how true 2>/dev/null; then
            # shellcheck disable=SC2086
            exec unshare $how -- env DEMO_INSIDE=yes "$self"
        fi
    done
}

# --------------------------------------------------------------------------------------------------------------------
# The service, its check, and what is asked of BIRD.

write_service() {
    # A TCP server that says hello. perl-base is part of every Debian; python3 is there nearly everywhere else.
    cat >service.pl <<'PERL'
use IO::Socket::IP;
my $server = IO::Socket::IP->new(LocalHost => $ARGV[0], LocalPort => $ARGV[1], Listen => 5, ReuseAddr => 1) or die "$@\n";
while (my $client = $server->accept) { print $client "hello from $ARGV[0]\n"; close $client; }
PERL
    cat >service.py <<'PYTHON'
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
while True:
    client, _ = server.accept()
    client.sendall(b"hello from %s\n" % sys.argv[1].encode())
    client.close()
PYTHON
    cat >check <<'SH'
#!/usr/bin/env bash
# check ADDRESS PORT: passes if the service says hello; notes when it ends.
status=1
if { exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null && read -r -t 1 words <&3 && [[ $words == hello* ]]; then status=0; fi
echo "${EPOCHREALTIME/[.,]/} $status" >>"$0.$1"
exit $status
SH
    cat >birdc-timed <<'SH'
#!/usr/bin/env bash
# Has BIRD read its configuration again, and notes when it has answered.
cd "$(dirname "$0")" || exit 1
if [ -e node.ctl ]; then
    birdc -s node.ctl configure
else
    cp 4.conf exported.4 && cp 6.conf exported.6 && echo "Reconfigured"
fi
status=$?
echo "${EPOCHREALTIME/[.,]/}" >>answers
exit $status
SH
    chmod +x check birdc-timed
}

service_pid=
start_service() {
    if perl -MIO::Socket::IP -e 1 2>/dev/null; then perl service.pl "$1" "$PORT" >service.log 2>&1 &
    elif have python3; then python3 service.py "$1" "$PORT" >service.log 2>&1 &
    else die "the demo's little service needs perl or python3"
    fi
    service_pid=$!
}
kill_service() {
    kill -9 "$service_pid"
    wait "$service_pid" 2>/dev/null || :
    service_pid=
}

# write_daemon_conf ADDRESS4 ADDRESS6
write_daemon_conf() {
    cat >daemon.conf <<CONF
[DEFAULT]
check_interval = 0.25
check_timeout = 0.25
check_rise = 2
check_fail = 2
check_disabled = false
[daemon]
pidfile = $work/pid
ipv6 = true
bird_conf = $work/4.conf
bird6_conf = $work/6.conf
bird_reconfigure_cmd = $work/birdc-timed
bird6_reconfigure_cmd = $work/birdc-timed
loglevel = info
CONF
    local service address length
    while read -r service address length; do
        cat >>daemon.conf <<CONF
[$service]
ip_prefix = $address/$length
ip_check_disabled = $ip_check_disabled
check_cmd = $work/check $address $PORT
CONF
    done <<<"four $1 32"$'\n'"six $2 128"
    : >services.conf
}

# --------------------------------------------------------------------------------------------------------------------
# Two BIRDs with a wire between them.

start_lab() {
    ip link set lo up
    ip addr add 192.0.2.53/32 dev lo
    ip addr add 2001:db8:53::53/128 dev lo
    for family in 4 6; do
        local name=ACAST_PS_ADVERTISE dummy=10.189.200.255/32
        [ $family = 4 ] || { name=ACAST6_PS_ADVERTISE dummy=2001:db8::1/128; }
        echo "define $name = [ $dummy ];" >$family.conf
    done
    cat >node.conf <<'BIRD'
log "node.log" all;
router id 10.99.0.1;
include "4.conf";
include "6.conf";
protocol device { }
protocol direct { ipv4; ipv6; interface "lo"; }
filter anycast {
    if net.type = NET_IP4 then { if net ~ ACAST_PS_ADVERTISE then accept; reject; }
    if net.type = NET_IP6 then { if net ~ ACAST6_PS_ADVERTISE then accept; reject; }
    reject;
}
template bgp upstream {
    local as 64512;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
}
protocol bgp up4 from upstream { neighbor 10.99.0.2 as 64513; ipv4 { import none; export filter anycast; }; }
protocol bgp up6 from upstream { neighbor fd99::2 as 64513; ipv6 { import none; export filter anycast; }; }
BIRD
    cat >peer.conf <<'BIRD'
log "peer.log" all;
timeformat log "%s%6f";
router id 10.99.0.2;
protocol device { }
template bgp customer { local as 64513; passive yes; error wait time 1, 2; debug { routes }; }
protocol bgp dn4 from customer { neighbor 10.99.0.1 as 64512; ipv4 { import all; export none; }; }
protocol bgp dn6 from customer { neighbor fd99::1 as 64512; ipv6 { import all; export none; }; }
BIRD
    unshare --net bird -f -c peer.conf -s peer.ctl -P peer.pid &
    pids+=($!)
    peer=$!
    until_true "the peer's BIRD" test -S peer.ctl
    ip link add va type veth peer name vb netns "$peer"
    ip addr add 10.99.0.1/30 dev va
    ip addr add fd99::1/64 dev va nodad
    ip link set va up
    nsenter --target "$peer" --net ip link set lo up
    nsenter --target "$peer" --net ip addr add 10.99.0.2/30 dev vb
    nsenter --target "$peer" --net ip addr add fd99::2/64 dev vb nodad
    nsenter --target "$peer" --net ip link set vb up
    bird -f -c node.conf -s node.ctl -P node.pid &
    pids+=($!)
    until_true "the node's BIRD" test -S node.ctl
    until_true "the BGP sessions" sessions_up
}
sessions_up() { [ "$(birdc -s node.ctl show protocols 2>/dev/null | grep -c Established)" = 2 ]; }

# until_true WHAT COMMAND...
until_true() {
    local what=$1 end=$((SECONDS + STEP_LIMIT_S))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "$what: not within $STEP_LIMIT_S s"
        sleep 0.02
    done
}

# --------------------------------------------------------------------------------------------------------------------
# The steps.

# listed FILE PREFIX: without a fork, so that it can be asked thousands of times a second.
listed() {
    local text
    IFS= read -r -d '' text <"$1" || :
    [[ $text == *[[:space:]]"$2"[[:space:],]* ]]
}
unlisted() { ! listed "$@"; }
at_peer() { birdc -s peer.ctl show route 2>/dev/null | grep -q "^$1 "; }
not_at_peer() { ! at_peer "$@"; }
exported() { listed "exported.$family" "$1"; }
not_exported() { ! exported "$1"; }

# ms FROM TO: milliseconds with two decimals.
ms() {
    local us=$(($2 - $1)) sign=
    [ $us -ge 0 ] || { sign=-; us=$((-us)); }
    printf '%s%d.%02d ms' "$sign" $((us / 1000)) $((us % 1000 / 10))
}

# last_before FILE TIME: the newest first word of FILE that is not after TIME.
last_before() { awk -v t="$2" '$1 <= t { last = $1 } END { print last }' "$1"; }
first_after() { awk -v t="$2" '$1 >= t { print $1; exit }' "$1"; }

# step TITLE comes|goes: waits for what must happen to $prefix, and prints how long it took.
step() {
    local title=$1 file=$family.conf end=$((SECONDS + STEP_LIMIT_S)) wanted=listed
    [ "$2" = comes ] || wanted=unlisted
    until "$wanted" "$file" "$prefix"; do
        [ $SECONDS -lt $end ] || fail "$title: the prefix file has not changed within $STEP_LIMIT_S s"
    done
    local written decided answered seen='-'
    written=$(now)
    decided=$(last_before "check.$address" "$written")
    until_true "$title: BIRD's answer" answered_after "$decided"
    answered=$(first_after answers "$decided")
    if [ -n "$with_bird" ]; then
        if [ "$2" = comes ]; then until_true "$title: the route at the peer" at_peer "$prefix"
        else until_true "$title: the route is gone at the peer" not_at_peer "$prefix"
        fi
        local word=added
        [ "$2" = comes ] || word=removed
        seen=$(ms "$decided" "$(peer_time "$word" "$decided")")
    elif [ "$2" = comes ]; then until_true "$title: the stand-in has it" exported "$prefix"
    else until_true "$title: the stand-in has it no more" not_exported "$prefix"
    fi
    printf '  %-18s %-24s %12s %12s %12s\n' "$title" "$outcome" "$(ms "$decided" "$written")" "$(ms "$decided" "$answered")" "$seen"
    if [ -n "$with_bird" ] && [ "$2" = comes ]; then
        birdc -s peer.ctl show route | awk -v p="$prefix" '$1 == p { sub(/[ \t]+/, " "); a = $0; getline; sub(/^[ \t]+/, ""); print "      at the peer: " a " " $0 }'
    fi
}
answered_after() { [ -n "$([ ! -e answers ] || first_after answers "$1")" ]; }
# The peer's own log says when its table changed.
peer_time() {
    local time
    time=$(awk -v t="$2" -v p="$prefix" -v w="$1" '$1 >= t && index($0, " " p " ") && index($0, w) { print $1; exit }' peer.log)
    echo "${time:-$(now)}"
}

# show FAMILY ADDRESS LENGTH
show() {
    family=$1 address=$2 prefix=$2/$3
    local there="-> route at the peer" gone="-> route gone"
    [ -n "$with_bird" ] || { there="-> exported" gone="-> withdrawn"; }
    echo
    printf 'IPv%s %-39s check ended -> %9s %12s %12s\n' "$family" "$prefix" "prefix file" "BIRD agrees" "peer's table"
    outcome=$there
    start_service "$2"
    step "service up" comes
    outcome=$gone
    kill_service
    step "service killed" goes
    outcome=$there
    start_service "$2"
    step "service back" comes
    kill_service
    outcome=$gone
    step "service stopped" goes
}

fail() {
    echo "demo: FAILED: $*" >&2
    echo "demo: the daemon's last lines:" >&2
    tail -n 20 daemon.log >&2 || :
    [ ! -e node.log ] || { echo "demo: BIRD's last lines:" >&2; tail -n 5 node.log >&2; }
    exit 1
}

pids=()
work=
clean_up() {
    trap - EXIT INT TERM
    [ -z "$service_pid" ] || kill -9 "$service_pid" 2>/dev/null || :
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || :; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || :; done
    [ -z "$work" ] || rm -rf "$work"
}

run() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/anycast-demo.XXXXXX")
    trap clean_up EXIT
    set -E
    trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cd "$work"
    write_service
    local address4=192.0.2.53 address6=2001:db8:53::53
    ip_check_disabled=false
    echo
    echo "anycast-healthchecker: $("$PROGRAM" --version)"
    if [ -n "$with_bird" ]; then
        start_lab
        echo "  network   two namespaces of this demo's own; nothing else on this machine is touched"
        echo "  routing   $(bird --version 2>&1) on both ends, one BGP session per family, AS 64512 -> AS 64513"
    else
        echo "  NO BIRD HERE: $why"
        echo "  A stand-in answers in BIRD's place and nothing is routed. As root, with BIRD 2, this shows real routes."
        address4=127.0.0.1 address6=::1 ip_check_disabled=true
    fi
    echo "  service   hello on TCP port $PORT; checked every 0.25 s, up after 2 passes, down after 2 failures"
    write_daemon_conf "$address4" "$address6"
    "$PROGRAM" -f daemon.conf -F services.conf >daemon.log 2>&1 &
    pids+=($!)
    until_true "the daemon's start" test -s pid
    show 4 "$address4" 32
    show 6 "$address6" 128
    echo
    echo "What the daemon logged (info):"
    head -n 60 daemon.log | sed 's/^/  /'
    kill -TERM "${pids[-1]}"
    wait "${pids[-1]}" || fail "the daemon ended with status $?"
    unset 'pids[-1]'
    [ ! -e pid ] || fail "the daemon left its pidfile"
    echo
    echo "Every step happened."
}

with_bird=
why=
if [ -n "${DEMO_INSIDE:-}" ]; then
    with_bird=yes
else
    build
    if [ -n "${STAND_IN:-}" ]; then why="asked for by STAND_IN"
    elif ! install_bird; then why="BIRD 2 and iproute2 are not installed, and could not be"
    else
        enter
        why="this user may not make network namespaces"
    fi
fi
run
