Feature: What was acknowledged is there
  A client writes numbered records through the service; each is on the shared disk before it is acknowledged.

  @storage @fencing @twin
  Scenario: No record is lost when the power of the active node is cut
    Given the topology "ledger-iscsi" is up and "ledger" is answering
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the power of the active node is cut
    Then "ledger" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost
    And the shared disk never had two writers

  @storage @fencing
  Scenario: No record is lost when the active node hangs and is fenced
    Given the topology "ledger-iscsi" is up and "ledger" is answering
    When 50 records have been acknowledged by "ledger" within 30 seconds
    And the active node hangs
    Then the active node is fenced within 20 seconds
    And "ledger" relocates to the standby within 30 seconds
    And 20 more records are acknowledged by "ledger" within 30 seconds
    And no acknowledged record of "ledger" is lost
    And nothing was taken over before the fencing
