Feature: An array whose write cache loses what it acknowledged
  The ledger syncs every record, and the disk says that it is safe. It is not, once the array has lost its power.

  @known_bad @storage
  Scenario: Synced records are lost with the power of the storage host
    Given the topology "ledger-iscsi" is up and "ledger" is answering
    And the promise "no lost acknowledgement" is expected to break
    And an outage of "ledger" is expected: the whole room is without power
    And the disk behind the LUN "data" has a write cache that lies
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the storage host is cut
    And the power of the active node is cut
    And the storage host is switched on
    Then "ledger" answers within 120 seconds
    And acknowledged records of "ledger" are lost
