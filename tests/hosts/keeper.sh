#!/usr/bin/env bash
# Runs one host: keeper.sh BASE FOLDER NAME OURS THEIRS. It lives as long as its standard input is open. Whatever ends
# it, or who started it, ends the host: everything is in name spaces that go with it.
set -u
base=$1 folder=$2 name=$3 ours=$4 theirs=$5

# A group of processes of its own in each hierarchy: two hosts would else share the one below ours.
groups=()
for tree in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    tree=${tree%/}
    [[ -e $tree/cgroup.procs ]] || continue
    [[ $tree == */systemd || $tree == */unified || -e $tree/cgroup.controllers ]] || continue
    if mkdir "$tree/vigie-$name" 2> /dev/null; then
        echo $$ > "$tree/vigie-$name/cgroup.procs" && groups+=("$tree")
    fi
done

exec 3<&0
export base folder name ours theirs
unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash -s << 'INSIDE'
set -eu
mkdir "$folder/up" "$folder/root"
mount -t tmpfs -o size=70%,mode=0755 vigie-host "$folder/up"
mkdir "$folder/up/upper" "$folder/up/work"
mount -t overlay -o "lowerdir=$base,upperdir=$folder/up/upper,workdir=$folder/up/work" vigie-host "$folder/root"
root=$folder/root
printf 'ADDRESS=%s/30\n' "$theirs" > "$root/etc/lab-address"
printf '%s\n' "$name" > "$root/etc/lab-name"
for home in root home/deploy home/plain; do
    install -m 0600 "$folder/id.pub" "$root/$home/.ssh/authorized_keys"
    chown --reference "$root/$home" "$root/$home/.ssh/authorized_keys"
done
start() {
    systemd-nspawn --quiet --register=no --keep-unit --network-veth --boot --resolv-conf=off --timezone=off \
        --link-journal=no --directory="$root" --machine="$name" < /dev/null >> "$folder/console" 2>&1 3<&- &
    host=$!
}
start
while :; do
    if ! kill -0 $host 2> /dev/null; then
        # It says so when it is to be started anew.
        wait $host && break || [[ $? -eq 133 ]] || break
        start
    fi
    # Our end of the line comes with each start of the host.
    if [[ -e /sys/class/net/ve-$name/flags ]] && flags=$(< "/sys/class/net/ve-$name/flags") && (((flags & 1) == 0)); then
        ip address replace "$ours/30" dev "ve-$name" && ip link set "ve-$name" up || true
    fi
    # No word ever comes on its input, only its end.
    if read -r -t 0.2 -u 3 _; then :; elif (($? <= 128)); then break; fi
done
INSIDE
exec 3<&-
for tree in "${groups[@]}"; do
    echo $$ > "$tree/cgroup.procs"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$tree/vigie-$name" -depth -type d -exec rmdir {} + 2> /dev/null && break
        sleep 0.1
    done
done
rm -rf "$folder"
