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
mount -t overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work overlay /root || echo "overlay failed"
for name in proc sys dev; do mount --move /$name /root/$name; done
mkdir -p /root/dev/shm /root/dev/pts /root/run/share
mount -t tmpfs tmpfs /root/dev/shm
mount -t devpts devpts /root/dev/pts
mount -t tmpfs tmpfs /root/tmp
mount -t tmpfs tmpfs /root/run
mkdir -p /root/run/share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 share /root/run/share || echo "share failed"
ifconfig lo 127.0.0.1 up
chroot /root /bin/sh /run/share/job.sh < /root/dev/null 2>&1
echo $? > /root/run/share/rc
sync
poweroff -f
