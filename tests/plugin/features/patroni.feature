Feature: Patroni with etcd
  A stack from outside: its fencing is its lease and its watchdog.

  Scenario: The leader loses its power
    Given the topology "pg-patroni" is up and "pg" is answering
    When the power of the active node is cut
    Then "pg" stops answering within 10 seconds
    And "pg" answers within 75 seconds
    And the VIP never had two owners
    And the lease was waited out

  Scenario: The leader is switched over
    Given the topology "pg-patroni" is up and "pg" is answering
    When "pg" is moved to the standby
    Then "pg" relocates to the standby within 40 seconds
    And the VIP never had two owners

  Scenario: Nobody takes over from a paused Patroni
    Given the topology "pg-patroni" is up and "pg" is answering
    When Patroni is paused
    And the power of the active node is cut
    Then "pg" does not answer for 30 seconds
    When Patroni is resumed
    Then "pg" answers within 75 seconds
