Feature: Fencing by SBD
  A node is told to go by a pill on a shared disk. Who can't read it is reset by the watchdog that SBD feeds.

  @fencing
  Scenario: Heartbeat cut: the poison pill resets the active node
    Given the topology "web-iscsi-sbd" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 15 seconds
    And "web" relocates to the standby within 40 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing @storage
  Scenario: A node that loses its disks and its cluster resets itself
    Given the topology "web-iscsi-sbd" is up and "web" is answering
    When all networks of the active node are cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 40 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: SBD itself hangs: the watchdog fires
    Given the topology "web-iscsi-sbd" is up and "web" is answering
    When the daemon "sbd" hangs on the active node
    Then the active node is fenced within 10 seconds
    And "web" answers within 40 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @storage
  Scenario: The disk of the pills is lost, and nobody is fenced for it
    Given the topology "web-iscsi-sbd" is up and "web" is answering
    When the disk behind the LUN "sbd" fails
    Then nobody is fenced for 12 seconds
    And "web" stays on the active node for 1 second
    When the disk behind the LUN "sbd" works again
    Then the cluster is whole again within 60 seconds

  @fencing @quorum
  Scenario: Without a disk: who loses quorum is reset by the watchdog
    Given the topology "web-iscsi-qdevice" is up and "web" is answering, with
      """
      fencing: {method: sbd, sbd: {watchdog_timeout: 6s}}
      """
    When all networks of the active node are cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 45 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
    And no service ran without quorum
