#!/bin/sh
# Runs inside the new root (chroot), after the packages are in and the overlay is on top.
# Turns a stock Debian into a guest that starts nothing by itself.
set -eu
export LC_ALL=C

chmod 755 /usr/lib/fenceline/init

# --- kernels -------------------------------------------------------------------------
# /fenceline-debs: packages that are only unpacked (see packages.txt).
for deb in /fenceline-debs/*.deb; do
    [ -e "$deb" ] || continue
    dpkg-deb -x "$deb" /fenceline-unpack
    dpkg-deb -W --showformat='${Package}=${Version}\n' "$deb" >>/usr/lib/fenceline/unpacked
done
rm -rf /fenceline-debs
if [ -d /fenceline-unpack ]; then
    # Debian 12's packages still know /lib and /sbin as folders; here they are links.
    for old in lib sbin bin; do
        [ -d /fenceline-unpack/$old ] || continue
        mkdir -p /fenceline-unpack/usr/$old
        cp -a /fenceline-unpack/$old/. /fenceline-unpack/usr/$old/
        rm -rf /fenceline-unpack/$old
    done
    rm -rf /fenceline-unpack/usr/share/doc /fenceline-unpack/usr/share/man
    cp -a /fenceline-unpack/. /
    rm -rf /fenceline-unpack
fi
for folder in /usr/lib/modules/*; do depmod "${folder##*/}"; done
python3 /fenceline-tools/prune-modules
python3 /fenceline-tools/make-initrd /fenceline-out-initrd
mv /boot/vmlinuz-* /fenceline-out-vmlinuz
rm -rf /boot/* /fenceline-tools

# --- nothing starts by itself ----------------------------------------------------------
# Links, not masks: every unit can still be started by hand or by the seed.
cd /etc/systemd/system
rm -rf ./*.wants ./*.requires
ln -sf /etc/systemd/system/ssh.service sshd.service
ln -sf fenceline.target default.target
mkdir fenceline.target.wants
ln -s ../ssh.service fenceline.target.wants/ssh.service
cd /usr/lib/systemd/system
rm -rf getty.target.wants local-fs.target.wants multi-user.target.wants timers.target.wants \
    sysinit.target.wants graphical.target.wants rescue.target.wants
# Logging to the journal stays, on demand of the first line that somebody logs; so does D-Bus,
# which Pacemaker needs for its systemd class.
find sockets.target.wants -type l ! -name 'dbus.socket' ! -name 'systemd-journald.socket' \
    ! -name 'systemd-journald-dev-log.socket' -delete
# Some packages (OCFS2, ipvsadm) have init scripts only: their units are generated now, not at
# every boot.
mkdir /tmp/sysv
/usr/lib/systemd/system-generators/systemd-sysv-generator /tmp/sysv /tmp/sysv /tmp/sysv
for name in o2cb ocfs2 ipvsadm; do cp /tmp/sysv/$name.service /etc/systemd/system/; done
rm -rf /tmp/sysv
# What nfs-common's generator does: the pipe file system under /run.
mkdir -p /etc/systemd/system/rpc_pipefs.target.d
printf '[Unit]\nRequires=run-rpc_pipefs.mount\nAfter=run-rpc_pipefs.mount\n' \
    >/etc/systemd/system/rpc_pipefs.target.d/fenceline.conf
# Generators write units from fstab, init scripts, kernel command line...: none is needed,
# and each costs a fork and a program start.
rm -f /usr/lib/systemd/system-generators/* /usr/lib/systemd/system-environment-generators/* \
    /usr/lib/systemd/user-generators/*
rm -f /etc/rc?.d/* /etc/cron*/* 2>/dev/null || true
# A machine id must be there: without one systemd takes it for a first boot and enables everything.
printf '%s\n' fe4ce11e0000400080000000fe4ce11e >/etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/hostname /etc/motd /etc/update-motd.d/* /etc/resolv.conf
: >/etc/fstab
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts
ln -sfn /usr/lib/fenceline/init /usr/sbin/init

# --- services: quick to start by hand ---------------------------------------------------
# The seed brings keys; those of the package would be the same on every node.
rm -f /etc/ssh/ssh_host_*
# LVM and device mapper make their own nodes: there is no udev in the guest.
sed -i -e 's/^\(\s*\)#* *udev_sync *=.*/\1udev_sync = 0/' \
    -e 's/^\(\s*\)#* *udev_rules *=.*/\1udev_rules = 0/' \
    -e 's/^\(\s*\)#* *obtain_device_list_from_udev *=.*/\1obtain_device_list_from_udev = 0/' \
    -e 's/^\(\s*\)#* *event_activation *=.*/\1event_activation = 0/' /etc/lvm/lvm.conf
# iscsid: wait for nobody; started only where the seed or a stack asks for it.
sed -i -e 's/^node.startup *=.*/node.startup = manual/' /etc/iscsi/iscsid.conf
rm -f /etc/iscsi/initiatorname.iscsi
# Pacemaker writes its own log; a copy to syslog costs and tells nothing new.
sed -i -e 's/^# *PCMK_logfacility=.*/PCMK_logfacility=none/' \
    -e 's,^# *PCMK_logfile=.*,PCMK_logfile=/var/log/pacemaker/pacemaker.log,' /etc/default/pacemaker
mkdir -p /var/log/corosync /var/log/pacemaker /etc/fenceline /root/.ssh
chmod 700 /root/.ssh

# --- /run as it must be at boot ----------------------------------------------------------
mount -t tmpfs tmpfs /run
systemd-tmpfiles --create --boot --prefix=/run --prefix=/var/run >/dev/null 2>&1 || true
mkdir -p /run/lock /run/sshd /run/systemd/system /run/dbus
chmod 1777 /run/lock
rm -f /run/nologin
tar -C /run -cf /usr/lib/fenceline/run.tar .
umount /run
systemd-tmpfiles --create --prefix=/var --prefix=/etc --prefix=/srv >/dev/null 2>&1 || true

# --- size ------------------------------------------------------------------------------
dpkg-query -W -f '${Package}=${Version}\n' >/fenceline-out-packages
cat /usr/lib/fenceline/unpacked >>/fenceline-out-packages
sort -o /fenceline-out-packages /fenceline-out-packages
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt \
    /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info /usr/lib/udev/hwdb.* \
    /usr/share/pocketsphinx /tmp/* /var/tmp/*
