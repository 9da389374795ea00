Feature: Quorum
  A partition without quorum runs nothing.

  @quorum @fencing
  Scenario: All networks of a minority node are cut
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    When all networks of the active node are cut
    Then the active node is fenced within 20 seconds
    And "webservice" relocates to the standby within 30 seconds
    And no service ran without quorum
    And the surviving partition has quorum

  @quorum @fencing
  Scenario: A minority node that can't be fenced stops its service
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    And the fencing device of the active node does not answer
    And an outage of "webservice" is expected: nobody may take over what is not fenced
    When all networks of the active node are cut
    Then the active node loses quorum within 10 seconds
    And the active node stops "webservice" within 30 seconds
    And no service ran without quorum
    And the file system was never mounted on two nodes

  @quorum
  Scenario: Quorum lost, nothing runs
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    And the fencing device of the standby does not answer
    And the fencing device of the second standby does not answer
    And an outage of "webservice" is expected: one of three has no quorum
    When the power of the standby is cut
    And the power of the second standby is cut
    Then the active node loses quorum within 10 seconds
    And "webservice" runs nowhere within 30 seconds
    And no service ran without quorum

  @quorum @fencing
  Scenario: A quorum device decides between two
    Given the topology "web-iscsi-qdevice" is up and "web" is answering
    When all networks of the active node are cut
    Then the active node is fenced within 30 seconds
    And "web" relocates to the standby within 45 seconds
    And no service ran without quorum
    And the surviving partition has quorum
