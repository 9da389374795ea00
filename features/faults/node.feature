Feature: Nodes, their processes, resources and clocks
  What happens inside a node, and to it, from the reset button to a full disk.

  Scenario: What the cluster must bear without moving anything
    Given the topology "web-iscsi" is up and "web" is answering
    When the clock of the standby jumps forward by 300 seconds
    And all faults are healed
    And the clock of the active node jumps back by 300 seconds
    And all faults are healed
    And the clock of the active node runs 5 % too fast
    And all faults are healed
    And the disk of the active node is kept busy for 20 seconds
    And all faults are healed
    And 30 % of the memory of the standby is taken for 20 seconds
    And all faults are healed
    And the log disk of the standby is full
    And all faults are healed
    And the service disk of the active node is full
    And all faults are healed
    And no file can be opened on the standby
    And all faults are healed
    Then nobody is fenced for 1 second
    And "web" stays on the active node for 1 second

  Scenario: No process can be started on the standby
    Given the topology "web-iscsi" is up and "web" is answering
    When no process can be started on the standby for 4 seconds
    And all faults are healed
    Then the cluster is whole again within 60 seconds
    And the file system was never mounted on two nodes

  Scenario: The service hangs, and a cluster that watches only its process does not notice
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: the resource agent asks for the process, not for an answer
    When the process of "web" hangs
    Then "web" stops answering within 5 seconds
    And "web" does not answer for 10 seconds
    When all faults are healed
    Then "web" answers within 10 seconds
    And nobody is fenced

  @fencing
  Scenario: Corosync hangs on the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the daemon "corosync" hangs on the active node
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: Hard reset of the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node is reset
    Then "web" answers within 60 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: Panic of the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node panics
    Then "web" relocates to the standby within 30 seconds
    And nothing was taken over before the fencing

  Scenario: Clean reboot of the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node is rebooted
    Then "web" relocates to the standby within 60 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

  Scenario: Clean shutdown of the active node
    Given the topology "web-iscsi" is up and "web" is answering
    When the active node is shut down
    Then "web" relocates to the standby within 60 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
