Feature: A MySQL pair without STONITH
  R5 has no fencing device, and heartbeat does not watch services.

  @known_bad @storage
  Scenario: Heartbeat and replication are cut: both nodes become primary
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "no lost acknowledgement" is expected to break
    When 50 records have been acknowledged by "mysql" within 30 seconds
    And the storage network of the active node is cut
    And the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds
    And "mysql" relocates to the standby within 40 seconds
    And acknowledged records of "mysql" are lost

  @known_bad
  Scenario: The database hangs, and nobody notices
    Given the topology "mysql-drbd-heartbeat" is up and "mysql" is answering
    And the promise "liveness at the end" is expected to break
    When the process of "mysql" hangs
    Then "mysql" stops answering within 5 seconds
    And "mysql" does not answer for 35 seconds
    When all faults are healed
    Then "mysql" answers within 30 seconds
    And no acknowledged record of "mysql" is lost
