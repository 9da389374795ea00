Feature: The disk behind the LUN
  An array that is slow, broken or forgetful, seen from the cluster that hangs on it.

  @storage
  Scenario: A slow disk is borne
    Given the topology "web-iscsi" is up and "web" is answering
    When the disk behind the LUN "www" is 300 ms late
    Then nobody is fenced for 8 seconds
    And "web" stays on the active node for 1 second
    When the disk behind the LUN "www" works again
    Then the cluster is whole again within 30 seconds

  @storage
  Scenario: A disk that can be read but not written, and then again
    Given the topology "web-iscsi" is up and "web" is answering
    And an outage of "web" is expected: no node can write to the disk
    When all writes of the disk behind the LUN "www" fail
    And the disk behind the LUN "www" works again
    Then "web" answers within 90 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @storage
  Scenario: A write cache that lies is no harm as long as there is power
    Given the topology "ledger-iscsi" is up and "ledger" is answering
    And the disk behind the LUN "data" has a write cache that lies
    When 20 records have been acknowledged by "ledger" within 30 seconds
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 40 seconds
    And no acknowledged record of "ledger" is lost
    When the disk behind the LUN "data" works again
    Then no acknowledged record of "ledger" is lost

  @storage
  Scenario: The target forgets a reservation
    Given the topology "web-iscsi" is up and "web" is answering
    And the LUN "www" is reserved for the cluster nodes
    When the target loses the reservation of the LUN "www"
    And the LUN "www" is reserved again
    Then nobody is fenced for 1 second
    And "web" stays on the active node for 1 second
