#!/usr/bin/env bash
# Builds a Debian system into a folder: base.sh FOLDER SUITE PACKAGE,PACKAGE…
# The mirror is the one that this machine's apt uses. Runs in name spaces of its own, so that nothing stays mounted
# or running whatever becomes of it.
set -euo pipefail
root=$1 suite=$2 packages=$3

if [[ ${VIGIE_HOSTS_INSIDE:-} != yes ]]; then
    VIGIE_HOSTS_INSIDE=yes exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
fi

mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
if [[ -z $mirror ]]; then
    echo "this machine's apt knows no mirror of $suite" >&2
    exit 1
fi
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
[[ -z ${http_proxy:-} ]] || export http_proxy
[[ -z ${https_proxy:-} ]] || export https_proxy
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*

within() { chroot "$root" "$@"; }

# Databases of such servers are UTF8; without a locale the package makes another kind.
version=$(ls "$root/usr/lib/postgresql")
within pg_dropcluster "$version" main
within pg_createcluster --locale C.UTF-8 --encoding UTF8 "$version" main > /dev/null

# Who may do what: all by sudo, and nothing by sudo.
within useradd --create-home --shell /bin/bash deploy
within useradd --create-home --shell /bin/bash plain
printf 'deploy ALL=(ALL) NOPASSWD: ALL\n' > "$root/etc/sudoers.d/deploy"
chmod 0440 "$root/etc/sudoers.d/deploy"
for home in root home/deploy home/plain; do
    install -d -m 0700 "$root/$home/.ssh"
    chown --reference "$root/$home" "$root/$home/.ssh"
done

# The one address is given by who starts it.
cat > "$root/etc/systemd/system/lab-address.service" << 'UNIT'
[Unit]
Description=The address that this machine was given
DefaultDependencies=no
Before=network.target nginx.service ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/lab-address
ExecStart=/usr/sbin/ip address add ${ADDRESS} dev host0
ExecStart=/usr/sbin/ip link set host0 up

[Install]
WantedBy=sysinit.target
UNIT
within systemctl enable --quiet lab-address.service
within systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    dpkg-db-backup.timer console-getty.service getty.target systemd-resolved.service systemd-networkd.service
rm -f "$root/etc/machine-id"
: > "$root/etc/machine-id"
printf 'nameserver 127.0.0.1\n' > "$root/etc/resolv.conf"
printf 'lab\n' > "$root/etc/hostname"
printf '127.0.0.1 localhost lab\n' > "$root/etc/hosts"
