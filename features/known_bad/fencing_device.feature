Feature: Fencing devices that should not have been bought
  One says that the power is off before it is; one has its own power from the node that it is to cut off; one presses
  the power button first, and the node that shuts itself down in order shoots the other one meanwhile.

  @known_bad @fencing
  Scenario: A device that answers "off" before it cuts the power
    # with the shipped head start of 4 s the node that is still alive shoots back before the other has all parts
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {delay: {rs-02: 90s}}
      """
    And the promise "fence before takeover" is expected to break
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the fencing device of the active node answers "off" 40 seconds before it cuts the power
    When the heartbeat network of the active node is cut
    Then the promise "fence before takeover" is broken within 30 seconds
    And the promise "single mount" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds

  @known_bad @fencing
  Scenario: A device that loses its power with its node, and no second way
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "liveness at the end" is expected to break
    And the fencing device of the active node loses its power with its node
    When the power of the active node is cut
    Then "web" stops answering within 5 seconds
    # once the node has power again, its device has too: it is shot, or it is back before
    And the promise "liveness at the end" is broken within 60 seconds

  @known_bad @fencing
  Scenario: A device that shuts its node down gently: in a split each node is shot, and nobody is left to serve
    Given the topology "web-iscsi" is up and "web" is answering
    And the promise "liveness at the end" is expected to break
    And the fencing device of the active node shuts it down gently, and cuts its power after 15 seconds
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 60 seconds
    And the standby is fenced within 60 seconds
    And the promise "liveness at the end" is broken within 150 seconds
