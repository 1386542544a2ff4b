#!/memtrace/busybox sh
# The first process of a guest: runs the tests and says on the console how each went. Lines that
# begin with @@memtrace are for xtask, which knows them from console.rs.

/memtrace/busybox mkdir -p /proc /sys /dev /tmp /run /memtrace/bin
/memtrace/busybox mount -t proc proc /proc
/memtrace/busybox --install -s /memtrace/bin
# This machine's own programs first: busybox has no libc in it that could be traced.
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/memtrace/bin
export HOME=/root

. /memtrace/settings

# Through the kernel's log, which writes a record whole: a message of the kernel cut such a line in two when it was
# printed as a program prints. What programs have printed before comes out first.
say() {
    stty -F /dev/console cs8
    printf '<1>@@memtrace %s\n' "$*" > /dev/kmsg
}

uptime() {
    cut -d' ' -f1 /proc/uptime
}

mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
[ "$own_tmp" = yes ] && mount -t tmpfs tmp /tmp
chmod 1777 /tmp /dev/shm
for name in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
    [ -e "/dev/${name%%:*}" ] || ln -s "${name#*:}" "/dev/${name%%:*}"
done
# Of both versions, for tests that make groups.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/freezer
mount -t cgroup -o freezer freezer /run/freezer
ip link set lo up
echo 1 > /proc/sys/kernel/panic_on_oops
# Below a warning its messages stay in its log: they would stand in the middle of lines that tests print.
echo 5 > /proc/sys/kernel/printk
# Not every kernel keeps the times of an initramfs, and a program must be younger than its source.
find "$fixtures" -type f -exec touch {} +

# What this guest is to do stands among its kernel's words: several guests share a kernel's groups.
word() {
    sed -n "s/.*memtrace\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}
wanted=$(word groups)

say release "$(cat /proc/sys/kernel/osrelease)"
cd "$package"
worst=0
while read -r group program; do
    case ",$wanted," in *",$group,"*) ;; *) continue ;; esac
    say begin "$group" "$(uptime)"
    set -- --test-threads=1
    [ -n "$filter" ] && set -- "$@" "$filter"
    timeout -s KILL "$limit" "$program" "$@" < /dev/null 2>&1
    code=$?
    [ "$code" -gt "$worst" ] && worst=$code
    # Whatever a test that was ended has left would disturb the next.
    kill -9 -1
    say end "$group" "$code" "$(uptime)"
done < /memtrace/groups

if [ "$(word verdicts)" = yes ]; then
    say doctor-begin
    timeout -s KILL "$limit" "$memtrace" doctor --programs --format json < /dev/null 2>&1
    say doctor-end $?
fi
say sentinel "$worst"
# The console is slow, and power-off does not wait for it.
sleep 1
poweroff -f
