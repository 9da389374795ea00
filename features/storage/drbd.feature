Feature: A replicated disk
  Two nodes without shared storage mirror a disk with DRBD. What was acknowledged must survive the primary, as far as
  the replication protocol promises it; and no replica may go its own way.

  @storage @fencing
  Scenario: Protocol C loses nothing when the power of the primary is cut
    Given the topology "ledger-drbd" is up and "ledger" is answering
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the active node is cut
    Then the standby becomes primary of "r0" within 30 seconds
    And "ledger" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost
    And the shared disk never had two writers
    When all faults are healed
    And the cluster is whole again within 90 seconds
    Then both replicas of "r0" are the same within 60 seconds
    And no replica had a history of its own

  @storage @fencing
  Scenario: Protocol B loses nothing when the power of the primary alone is cut
    Given the topology "ledger-drbd" is up and "ledger" is answering, with
      """
      storage:
        drbd: [{name: r0, protocol: B, timeout: 2s, connect_int: 3s, ping_int: 3s}]
      """
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the packets of the active node on the storage network are 100 ms late
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost

  @storage @fencing
  Scenario: Protocol A may lose what was on the wire when the power of the primary is cut
    Given the topology "ledger-drbd" is up and "ledger" is answering, with
      """
      storage:
        drbd: [{name: r0, protocol: A, timeout: 3s, connect_int: 4s, ping_int: 4s}]
      """
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the packets of the active node on the storage network are 500 ms late
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 45 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And at most 40 acknowledged records of "ledger" are lost, as its protocol may

  @storage
  Scenario: The replication link is cut while records are written
    Given the topology "ledger-drbd" is up and "ledger" is answering
    When 20 records have been acknowledged by "ledger" within 30 seconds
    And the replication link of "r0" is cut
    Then 50 more records are acknowledged by "ledger" within 30 seconds
    When the replica is 5 blocks behind within 30 seconds
    And the replication link of "r0" is mended
    Then both replicas of "r0" are the same within 60 seconds
    And nobody is fenced
    When "ledger" is moved to the standby
    Then "ledger" relocates to the standby within 45 seconds
    And no acknowledged record of "ledger" is lost
    And no replica had a history of its own

  @storage
  Scenario: A replica is filled anew while records are written
    Given the topology "ledger-drbd" is up and "ledger" is answering
    When the replica of "r0" on the standby is invalidated
    Then 50 more records are acknowledged by "ledger" within 30 seconds
    And both replicas of "r0" are the same within 120 seconds
    And no acknowledged record of "ledger" is lost
    And "ledger" stays on the active node for 1 second

  @storage
  Scenario: The disk of the primary fails and the service does not notice
    Given the topology "ledger-drbd" is up and "ledger" is answering
    When 20 records have been acknowledged by "ledger" within 30 seconds
    And the disk of "r0" on the active node fails
    Then 50 more records are acknowledged by "ledger" within 30 seconds
    When the disk of "r0" on the active node is replaced
    Then both replicas of "r0" are the same within 60 seconds
    And no acknowledged record of "ledger" is lost
    And nobody is fenced

  @storage @fencing
  Scenario: An outdated replica is not promoted
    Given the topology "ledger-drbd" is up and "ledger" is answering, with
      """
      storage:
        drbd: [{name: r0, fencing: resource-only, timeout: 2s, connect_int: 3s, ping_int: 3s}]
      fencing: {action: "off"}
      """
    And an outage of "ledger" is expected: the replica of the standby is behind
    When the replication link of "r0" is cut
    And the cluster has been told that the peer of "r0" is behind within 30 seconds
    Then 20 more records are acknowledged by "ledger" within 30 seconds
    When the power of the active node is cut
    Then the standby does not become primary of "r0" for 20 seconds
    And "ledger" does not answer for 1 second
    When all faults are healed
    Then "ledger" relocates to the active node within 90 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost
    And both replicas of "r0" are the same within 60 seconds
    And no replica had a history of its own

  @storage @known_bad
  Scenario: A split brain is told, and repaired by hand
    Given the topology "ledger-drbd" is up and "ledger" is answering
    And the promise "single writer" is expected to break
    And the promise "no split brain" is expected to break
    When 20 records have been acknowledged by "ledger" within 30 seconds
    And a split brain of "r0" is forced on the standby
    Then DRBD tells of a split brain of "r0" within 30 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    When the split brain of "r0" is repaired, and what the standby wrote is thrown away
    Then both replicas of "r0" are the same within 60 seconds
    And no acknowledged record of "ledger" is lost
