#!/bin/sh
# the same cluster by pcs 0.10
PASS='notARealSecret'
CIB=/tmp/cib
on_file() { pcs -f "$CIB" "$@"; }
pcs host auth alpha.example.com beta.example.com -u hacluster -p "$PASS"
pcs cluster setup demo alpha.example.com addr=10.1.1.1 addr=10.1.2.1 beta.example.com addr=10.1.1.2 addr=10.1.2.2 \
    totem token=5000
pcs cluster start --all && pcs property set stonith-timeout=90s no-quorum-policy=ignore
on_file resource defaults update resource-stickiness=100
on_file resource create d-data ocf:linbit:drbd drbd_resource=data \
    op monitor interval=29s role=Promoted monitor interval=31s role=Unpromoted \
    promotable promoted-max=1 clone-max=2 notify=true
on_file resource create fs ocf:heartbeat:Filesystem device=/dev/drbd0 directory=/srv/data fstype=ext4 \
    op monitor interval=20s timeout=40s OCF_CHECK_LEVEL=20 --group g
on_file resource create ip IPaddr2 ip=192.168.50.200 cidr_netmask=24 op monitor interval=10s on-fail=standby --group g
on_file resource create web systemd:nginx op monitor interval=15s meta migration-threshold=2 --group g
for n in 1 2; do
    on_file stonith create st-$n fence_ipmilan ip=10.0.0.$n username=admin password="$PASS" pcmk_host_map="alpha:1;beta:2"
done
pcs -f $CIB stonith update st-1 pcmk_host_list=alpha pcmk_delay_base=10s
sudo pcs -f "$CIB" constraint location g prefers alpha.example.com=200
pcs -f "$CIB" constraint location st-1 avoids alpha.example.com
pcs -f "$CIB" constraint colocation add g with Promoted d-data-clone INFINITY
pcs -f "$CIB" constraint order promote d-data-clone then start g
if [ -n "$EXTRA" ]; then
    pcs -f "$CIB" resource create more systemd:mariadb
fi
pcs -f "$CIB" stonith level add 1 alpha st-1
pcs cluster cib-push "$CIB"
