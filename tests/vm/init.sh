#!/bin/busybox sh
# First program of the guest: loads the modules, mounts the machine's root under an overlay in memory, runs the job in it.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module" || echo "insmod $module failed"; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose root /low || echo "9p failed"
mount -t tmpfs tmpfs /up
mkdir /up/upper /up/work
mount -t overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work overlay /machine || echo "overlay failed"
for name in proc sys dev; do mount --move /$name /machine/$name; done
mkdir -p /machine/dev/shm /machine/dev/pts /machine/run/share
mount -t tmpfs tmpfs /machine/dev/shm
mount -t devpts devpts /machine/dev/pts
mount -t tmpfs tmpfs /machine/tmp
mount -t tmpfs tmpfs /machine/run
mkdir -p /machine/run/share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 share /machine/run/share || echo "share failed"
ifconfig lo 127.0.0.1 up
chroot /machine /bin/sh /run/share/job.sh < /machine/dev/null 2>&1
echo $? > /machine/run/share/rc
sync
poweroff -f
