Feature: Clean twins
  What looks like a mistake of a planted cluster and is none. Each must pass without an alarm; those with the tag @twin in
  the other folders, too.

  @twin
  Scenario: The standby has another address, by hand
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes: {rs-02: {rc_local: ["(sleep 25; ip addr add 192.168.98.245/24 dev eth1) >/dev/null 2>&1 &"]}}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the VIP never had two owners

  @twin @storage
  Scenario: Both nodes mount something at boot, each its own
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      nodes: {rs-02: {rc_local: ["(sleep 25; mkdir -p /srv/own; mount -t tmpfs own /srv/own) >/dev/null 2>&1 &"]}}
      """
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes

  @twin
  Scenario: A service that fails moves with its address and its disk
    Given the topology "web-iscsi" is up and "web" is answering, with
      """
      stack: {migration_threshold: 1}
      """
    When the process of "web" is killed
    Then "web" relocates to the standby within 30 seconds
    And nobody is fenced

  @twin @fencing
  Scenario: A node that returns leaves the service where it is
    Given the topology "web-iscsi" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the active node rejoins within 60 seconds
    And "web" stays on the standby for 15 seconds
