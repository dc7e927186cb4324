#!/bin/busybox sh
# The first and only program of the guest: a network card, an address, an echo on TCP port 7.
# What it is to be comes on the kernel's command line: algo.ip=ADDRESS/PREFIX algo.port=PORT algo.dirty=KIB-PER-SECOND
b=/bin/busybox
$b mkdir -p /proc /dev /tmp
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs tmp /tmp

for word in $($b cat /proc/cmdline); do
    case "$word" in
        algo.ip=*) ip=${word#*=} ;;
        algo.port=*) port=${word#*=} ;;
        algo.dirty=*) dirty=${word#*=} ;;
    esac
done

# Each needs some of the others: those that come too early are tried again.
for pass in 1 2 3 4; do
    for module in /modules/*.ko; do
        $b insmod "$module" 2>/dev/null && $b rm "$module"
    done
done

$b ip link set lo up
$b ip link set eth0 up
[ -n "$ip" ] && $b ip addr add "$ip" dev eth0
# As a server has it: announcements of others are believed, so is a move of the peer.
echo 1 >/proc/sys/net/ipv4/conf/all/arp_accept
$b nc -ll -p "${port:-7}" -e $b cat &

# Memory that is written all the time: the same 4 MiB, in pieces of 32 KiB, a tenth of a second's worth at a time. By
# processes that stay: to start one costs a translated machine more than to write.
if [ "${dirty:-0}" -gt 0 ]; then
    $b mkfifo /tmp/never
    exec 3<>/tmp/never
    while :; do
        read -r -t 0.1 none <&3
        echo
    done | $b awk -v pieces=$((dirty / 320 + 1)) '
        BEGIN { piece = "0123456789abcdef"; while (length(piece) < 32768) piece = piece piece }
        {
            for (i = 0; i < pieces; i++) {
                file = "/tmp/load" at
                printf "%s", piece > file
                close(file)
                at = (at + 1) % 128
            }
        }' &
    exec 3>&-
fi

echo "GUEST READY"
exec $b sleep 2147483647
