Feature: Mistakes in keepalived.conf
  Two directors whose configurations are not what their owner believes.

  @known_bad
  Scenario: The switch port of a director that boots forwards only after some seconds
    Given the topology "lvs-keepalived" is up and "web" is answering
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the heartbeat network of the active node is cut
    And the active node is switched on
    Then the promise "single VIP owner" is broken within 40 seconds
    And the promise "fence before takeover" is broken within 40 seconds

  @known_bad
  Scenario: Another router id on one of the two
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      nodes: {lb2: {rc_local: ["(sleep 20; sed -i 's/virtual_router_id .*/virtual_router_id 99/' /etc/keepalived/keepalived.conf; systemctl restart keepalived) >/dev/null 2>&1 &"]}}
      """
    And the promise "single VIP owner" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "healthy cluster fences nobody" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    Then the promise "single VIP owner" is broken within 60 seconds
    And the promise "fence before takeover" is broken within 60 seconds

  @known_bad
  Scenario: nopreempt is missing: the address goes back to the node that returned
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      nodes:
        lb1: {rc_local: ["(sed -i /nopreempt/d /etc/keepalived/keepalived.conf; systemctl restart keepalived) >/dev/null 2>&1 &"]}
        lb2: {rc_local: ["(sed -i /nopreempt/d /etc/keepalived/keepalived.conf; systemctl restart keepalived) >/dev/null 2>&1 &"]}
      """
    And the promise "moved only for cause" is expected to break
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the active node is switched on
    Then "web" relocates to the active node within 60 seconds
    And the promise "moved only for cause" is broken within 60 seconds

  @twin
  Scenario: A check that fails gives the address up
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      stack: {track_scripts: {clients: {script: "/usr/bin/ping -c 1 -W 1 192.168.70.9", interval: 1s, fall: 2, weight: 0}}}
      """
    When the service network of the active node is cut
    Then "web" relocates to the standby within 10 seconds
    And the VIP never had two owners

  @twin
  Scenario: A director that returns leaves the address where it is
    Given the topology "lvs-keepalived" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the active node is switched on
    Then "web" stays on the standby for 15 seconds
    And the VIP never had two owners
