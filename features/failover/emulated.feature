Feature: Heartbeat loss on libvirt machines
  The headline scenario again, on QEMU. Without KVM such machines are some ten times slower than UML's, so its
  cluster has the timing that its own administrator would give it: a longer token, and a longer budget.

  @libvirt @smoke @fencing @slow
  Scenario: Heartbeat cut triggers fence then relocate on libvirt
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 5s, dc_deadtime: 10s}
      fencing: {delay: {rs-02: 20s}, timeout: 120s}
      services:
        web:
          failover_budget: 150s
          # an emulated node that looks every few seconds has no time left for anything else
          group:
            - {kind: filesystem, lun: www, mountpoint: /srv/www, monitor: 30s}
            - {kind: vip, address: 192.168.98.244, monitor: 30s}
            - {kind: daemon, name: nginx, monitor: 30s}
      """
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 90 seconds
    And "web" relocates to the standby within 150 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And the surviving partition has quorum
