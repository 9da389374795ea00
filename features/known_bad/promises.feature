Feature: Nights that end well for the wrong reason
  The service is back within its budget each time, and yet its owner would call the night a bad one: somebody was fenced
  or moved for nothing, or twice, or the standby was of no use. Each clean twin has the tag @twin.

  @known_bad @fencing
  Scenario: Without wait_for_all the two shoot each other in turn while the cable stays cut
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {quorum: {wait_for_all: false}}
      """
    And the promise "one fault, one fencing" is expected to break
    And an outage of "web" is expected: the two shoot each other in turn
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And the promise "one fault, one fencing" is broken within 180 seconds

  @twin @fencing
  Scenario: With wait_for_all the one that was shot waits while the cable stays cut
    Given the topology "web-iscsi" is up and "web" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the standby is not fenced for 30 seconds

  @known_bad @fencing
  Scenario: The fencing delay protects the node that does not serve
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      survivor: serving
      """
    And the promise "serving side survives" is expected to break
    When the heartbeat network of the active node is cut
    Then the promise "serving side survives" is broken within 60 seconds

  @twin @fencing
  Scenario: The fencing delay protects the node that serves
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      survivor: serving
      fencing: {delay: {rs-01: 20s, rs-02: 0s}}
      """
    When the heartbeat network of the active node is cut
    Then the standby is fenced within 40 seconds
    And "web" stays on the active node for 5 seconds

  @known_bad @fencing
  Scenario: A ban was left on the standby, and the service waits for the node that was fenced
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-01:
          rc_local:
            - >-
              (until crm_resource -Q -r web -W; do sleep 1; done;
              crm_resource --ban -r web -N rs-02) >/dev/null 2>&1 &
      services: {web: {failover_budget: 180s}}
      """
    And the promise "standby takes over" is expected to break
    Then nobody is fenced for 5 seconds
    When the power of the active node is cut
    Then the promise "standby takes over" is broken within 180 seconds

  @twin @fencing
  Scenario: A ban was taken away again, and the standby takes over
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-01:
          rc_local:
            - >-
              (until crm_resource -Q -r web -W; do sleep 1; done;
              crm_resource --ban -r web -N rs-02; crm_resource --clear -r web) >/dev/null 2>&1 &
      """
    Then nobody is fenced for 5 seconds
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And "web" stays on the standby for 10 seconds

  @known_bad @fencing
  Scenario: The log disk of the standby is full, and the service waits for the node that was fenced
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - (sleep 10; cat /dev/zero > /var/log/forgotten; sync) >/dev/null 2>&1 &
      services: {web: {failover_budget: 180s}}
      """
    And the promise "standby takes over" is expected to break
    Then nobody is fenced for 5 seconds
    When the power of the active node is cut
    Then the promise "standby takes over" is broken within 180 seconds

  @twin @fencing
  Scenario: The log disk of the standby was full, and somebody has looked after it
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes:
        rs-02:
          rc_local:
            - (sleep 10; cat /dev/zero > /var/log/forgotten; rm /var/log/forgotten) >/dev/null 2>&1 &
      """
    Then nobody is fenced for 5 seconds
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds

  @known_bad
  Scenario: A master that was frozen wakes up and takes the address back over nopreempt
    Given the topology "lvs-keepalived" is up and "web" is answering
    And the promise "moved only for cause" is expected to break
    # it wakes up with the address, as nobody could take that away
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    When the active node hangs
    Then "web" relocates to the standby within 5 seconds
    When 5 seconds pass
    And the active node wakes up
    Then the promise "moved only for cause" is broken within 20 seconds
    And the promise "single VIP owner" is broken within 20 seconds

  @twin
  Scenario: A master that lost its power comes back and leaves the address where it is
    Given the topology "lvs-keepalived" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the active node is switched on
    Then the cluster is whole again within 30 seconds
    And "web" stays on the standby for 5 seconds

  @known_bad
  Scenario: A check that fails now and then sends the address to and fro
    Given the topology "haproxy-keepalived" is up and "web" is answering, with
      """
      stack:
        track_scripts:
          load: {script: "/bin/sh -c '[ $(hostname) = lb2 ] || [ $(( $(date +%s) / 8 % 2 )) = 0 ]'", weight: -150}
      """
    And the promise "moved only for cause" is expected to break
    And the promise "healthy cluster fences nobody" is expected to break
    Then the promise "moved only for cause" is broken within 40 seconds

  @twin
  Scenario: A check that fails now and then is borne
    Given the topology "haproxy-keepalived" is up and "web" is answering, with
      """
      stack:
        track_scripts:
          load: {script: "/bin/sh -c '[ $(hostname) = lb2 ] || [ $(( $(date +%s) / 8 % 2 )) = 0 ]'", weight: -150, fall: 20}
      """
    Then "web" stays on the active node for 20 seconds

  @known_bad
  Scenario: A move that was never cleared brings the service back
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {action: "off"}
      """
    And the promise "moved only for cause" is expected to break
    When "web" is moved to the standby
    Then "web" relocates to the standby within 30 seconds
    When the power of the standby is cut
    Then "web" relocates to the active node within 45 seconds
    When the standby is switched on
    Then the promise "moved only for cause" is broken within 90 seconds

  @twin
  Scenario: A move that was cleared leaves the service where a failover brought it
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {action: "off"}
      """
    When "web" is moved to the standby
    Then "web" relocates to the standby within 30 seconds
    When all faults are healed
    And the power of the standby is cut
    Then "web" relocates to the active node within 45 seconds
    When the standby is switched on
    Then the standby rejoins within 90 seconds
    And "web" stays on the active node for 10 seconds

  @known_bad @fencing
  Scenario: Somebody's script has a node fenced that nothing was wrong with
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      # after the harmless fault, however long the host takes until then
      nodes:
        rs-02:
          rc_local:
            - "(until crm_attribute -Gqn cluster-recheck-interval | grep -qx 73s; do sleep 2; done; sleep 5; stonith_admin --reboot rs-01) >/dev/null 2>&1 &"
      """
    And the promise "fenced only for cause" is expected to break
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    Then the promise "fenced only for cause" is broken within 60 seconds

  @twin @fencing
  Scenario: Somebody's script asks for the fencing history of a node that nothing is wrong with
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes: {rs-02: {rc_local: ["(sleep 20; stonith_admin --history rs-01 --verbose) >/dev/null 2>&1 &"]}}
      """
    When the property "cluster-recheck-interval" of the cluster is changed to "73s"
    Then nobody is fenced for 15 seconds
    And "web" stays on the active node for 1 second

  @known_bad @fencing
  Scenario: The node that is being shot is back before its slow device has done it
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {delay: {rs-02: 60s}, timeout: 150s}
      services: {web: {failover_budget: 300s}}
      """
    And the promise "one fault, one fencing" is expected to break
    And an outage of "web" is expected: who was shot is told so once it is back, and shot again
    # the last answer must come when it is a member again, and fence_ipmilan waits for no longer. On a host under load it
    # has not joined by then: told that it was fenced, Pacemaker stops there and stays so (fence-reaction), and nobody
    # shoots it again. That is red, and the host's doing: run it again on an idle one
    And the fencing device of the active node is 14 seconds slow
    And 500 ms after the active node is about to be fenced: the networks of the active node are mended
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 70 seconds
    And the promise "one fault, one fencing" is broken within 240 seconds

  @twin @fencing
  Scenario: The node that is being shot is back before its device has done it, which is quick
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      fencing: {delay: {rs-02: 40s}}
      """
    And 5000 ms after the active node is about to be fenced: the networks of the active node are mended
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 45 seconds
    And "web" relocates to the standby within 45 seconds
    And the active node rejoins within 60 seconds
    And "web" stays on the standby for 10 seconds
