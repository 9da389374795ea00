Feature: Faults on libvirt machines
  What the machines' driver or the guest's own kernel has a part in, on QEMU. Without KVM such machines are slow: the
  clusters have the timing that their administrator would give them.

  @libvirt @slow
  Scenario: A node is cut off and stopped for moments, and troubled from inside
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 10s, dc_deadtime: 10s}
      fencing: {timeout: 120s}
      services: {web: {failover_budget: 150s}}
      """
    When the heartbeat network of the standby is cut
    And all faults are healed
    And the heartbeat network of the standby is down for 0.2 seconds and up for 0.8 seconds, again and again
    And all faults are healed
    And the heartbeat network of every node is cut, one by one, 0.5 seconds apart
    And all faults are healed
    And the standby hangs
    And all faults are healed
    And the clock of the standby jumps forward by 300 seconds
    And all faults are healed
    And the clock of the standby runs 5 % too fast
    And all faults are healed
    And the disk of the standby is kept busy for 20 seconds
    And all faults are healed
    And 30 % of the memory of the standby is taken for 20 seconds
    And all faults are healed
    And the log disk of the standby is full
    And all faults are healed
    And no file can be opened on the standby
    And all faults are healed
    And no process can be started on the standby for 4 seconds
    And all faults are healed
    And the CPU of the standby is overloaded for 3 seconds
    And all faults are healed
    And the packets of the standby on the heartbeat network are 40 ms late, give or take 5 ms
    And all faults are healed
    And the disk behind the LUN "www" is 300 ms late
    And all faults are healed
    Then nobody is fenced for 1 second
    And "web" stays on the active node for 1 second

  @libvirt @slow
  Scenario: A node loses its power, its kernel and its software
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 5s, dc_deadtime: 10s}
      fencing: {timeout: 120s}
      services: {web: {failover_budget: 150s}}
      """
    When the power of the standby is cut
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    When the standby panics
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    When the standby is reset
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    When the standby is reset, and takes 15 seconds longer to boot
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    And "web" stays on the active node for 1 second

  @libvirt @slow
  Scenario: A node is shut down, rebooted, and the whole room loses its power
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {token: 5s, dc_deadtime: 10s}
      fencing: {timeout: 120s}
      services: {web: {failover_budget: 150s}}
      """
    And an outage of "web" is expected: no node has power
    When the standby is shut down
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    When the standby is rebooted
    And all faults are healed
    Then the cluster is whole again within 300 seconds
    And nobody is fenced
    When the power of all cluster nodes is cut at once
    And the cluster nodes are switched on
    Then "web" answers within 300 seconds
    And the file system was never mounted on two nodes
