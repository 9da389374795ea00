Feature: Replicas that go their own ways
  Clusters on DRBD without the fencing that would keep their data together. Fenceline must see what comes of it.

  @known_bad @fencing
  Scenario: A stale replica is promoted, as nobody told the cluster that it is behind
    Given the topology "ledger-drbd" is up and "ledger" is answering
    And the promise "no lost acknowledgement" is expected to break
    When the replication link of "r0" is cut
    And the replica is 5 blocks behind within 30 seconds
    And the power of the active node is cut
    Then the standby becomes primary of "r0" within 45 seconds
    And "ledger" relocates to the standby within 45 seconds
    And acknowledged records of "ledger" are lost
    And every acknowledged record of "ledger" that is lost was written by the active node

  @known_bad
  Scenario: Heartbeat and replication cut, and no fencing: two histories
    Given the topology "ledger-drbd" is up and "ledger" is answering, with
      """
      fencing: {method: none, delay: {}}
      """
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "no split brain" is expected to break
    And the promise "no lost acknowledgement" is expected to break
    When 20 records have been acknowledged by "ledger" within 30 seconds
    And the network "storage" of the standby is cut
    And the heartbeat network of the standby is cut
    Then the promise "single writer" is broken within 60 seconds
    And "ledger" relocates to the standby within 60 seconds
    And the promise "one instance" is broken within 60 seconds
    And 20 more records are acknowledged by "ledger" within 60 seconds
    When all faults are healed
    Then DRBD tells of a split brain of "r0" within 60 seconds
    When the standby is secondary of "r0" within 90 seconds
    And the split brain of "r0" is repaired, and what the standby wrote is thrown away
    Then both replicas of "r0" are the same within 60 seconds
    When the cluster is whole again within 120 seconds
    Then every acknowledged record of "ledger" that is lost was written by the standby
