Feature: A watchdog that does not fire
  Pacemaker takes a node for dead when its pill has had time enough. Nobody looks whether it was swallowed.

  @known_bad @fencing
  Scenario: SBD hangs, and the watchdog does not fire
    Given the topology "web-iscsi-sbd" is up and "web" is answering
    And the promise "fence before takeover" is expected to break
    And the promise "single mount" is expected to break
    And the promise "single writer" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And the watchdog of the active node does not fire
    When the daemon "sbd" hangs on the active node
    And the daemon "corosync" hangs on the active node
    Then "web" relocates to the standby within 40 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single mount" is broken within 30 seconds
    And the promise "single writer" is broken within 60 seconds
    And the promise "one instance" is broken within 60 seconds
