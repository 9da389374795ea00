Feature: A MySQL pair on heartbeat and DRBD
  R5 as its author had it: haresources with drbddisk, the file system, the address and the init script of the database; a
  ping group with ipfail; no STONITH. Heartbeat watches nodes, not services: what only stops or hangs, nobody mends.

  @storage
  Scenario: The master is switched off
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the power of the active node is cut
    Then "mysql" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    When the active node is switched on
    Then "mysql" stays on the standby for 30 seconds

  @storage
  Scenario: MySQL is stopped on purpose: address and data move
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the active node is put into standby
    Then "mysql" relocates to the standby within 40 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @storage
  Scenario: The database is killed, and its own guardian restarts it
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the process of "mysql" is killed
    Then "mysql" is restarted in place on the active node within 20 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost

  @storage
  Scenario: The active node loses the ping group
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the service network of the active node is cut
    Then "mysql" relocates to the standby within 40 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @storage
  Scenario: Heartbeat cut alone: DRBD refuses a second primary, and the cluster heals with the cable
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    And an outage of "mysql" is expected: heartbeat restarts on both nodes when they hear each other again
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the heartbeat network of the active node is cut
    Then "mysql" stays on the active node for 15 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And no acknowledged record of "mysql" is lost
    When the networks of the active node are mended
    Then "mysql" stops answering within 30 seconds
    And the cluster is whole again within 90 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost

  @storage @fencing
  Scenario: Heartbeat's own STONITH resets a master that hangs before the mirror is promoted
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering, with
      """
      fencing: {method: ipmi, action: reboot}
      """
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the active node hangs
    Then the active node is fenced within 20 seconds
    And "mysql" relocates to the standby within 40 seconds
    And 20 more records are acknowledged by "mysql" within 30 seconds
    And no acknowledged record of "mysql" is lost
    And nothing was taken over before the fencing
