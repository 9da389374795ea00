Feature: Memberships that do not settle
  Of three nodes one loses the first link, another one the second: both hear the third, and not each other.

  @known_bad
  Scenario: Two links fail crosswise: Corosync forms one membership after the other
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    And the promise "membership settles" is expected to break
    When the network "heartbeat-a" of the active node is cut
    Then nobody is fenced for 8 seconds
    When the network "heartbeat-b" of the standby is cut
    Then the promise "membership settles" is broken within 60 seconds

  @twin
  Scenario: The same link fails for two: the other one carries all
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When the network "heartbeat-a" of the active node is cut
    And the network "heartbeat-a" of the standby is cut
    Then nobody is fenced for 20 seconds
    And the membership settled
    And the surviving partition has quorum
