#!/bin/sh
# Called by the feed's CI on the target: test.sh PACKAGE VERSION.

case "$1" in
anycast-healthchecker)
    anycast-healthchecker --version | grep -F "$2" || exit 1
    anycast-healthchecker -c -f /etc/anycast-healthchecker.conf -d /etc/anycast-healthchecker.d
    ;;
esac
