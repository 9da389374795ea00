Feature: Faults that come at the worst moment
  A second fault while the cluster is busy with the first one.

  # the fenced node stays off, as nobody is left who would switch it on; with wait_for_all a node that boots must not
  # begin without it: safe, and in need of an administrator
  @fencing @quorum
  Scenario: The fencer loses its power while it fences
    Given the topology "web-iscsi-3" is up and "webservice" is answering
    And an outage of "webservice" is expected: one of three has no quorum, and two wait for the third
    And 50 ms after fencing starts: the power of the standby is cut
    When the heartbeat network of the active node is cut
    And all that was to come has come within 30 seconds
    And all faults are healed
    Then "webservice" does not answer for 10 seconds
    And no service ran without quorum
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  @fencing
  Scenario: The node that takes over is reset as soon as it has mounted
    Given the topology "web-iscsi" is up and "web" is answering
    And 0 ms after the standby has mounted: the standby is reset
    When the power of the active node is cut
    And all that was to come has come within 60 seconds
    And all faults are healed
    Then "web" answers within 90 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing
