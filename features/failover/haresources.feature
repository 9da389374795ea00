Feature: Heartbeat with haresources
  What is peculiar to heartbeat without a resource manager: a ping node, STONITH of its own, no monitoring.

  Scenario: The ping node decides for the node that still sees the clients
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    When the service network of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

  @fencing @twin
  Scenario: Heartbeat's own STONITH before takeover
    Given the topology "web-nfs-heartbeat" is up and "web" is answering, with
      """
      # with auto_failback a node that is back within seconds gets its services while the other still takes them over
      fencing: {method: ipmi, action: reboot}
      services: {web: {domain: {failback: false}}}
      """
    When the active node hangs
    Then the active node is fenced within 20 seconds
    And "web" relocates to the standby within 40 seconds
    And the file system was never mounted on two nodes
    And nothing was taken over before the fencing

  Scenario Outline: Heartbeats by <media>, signed with <auth>
    Given the topology "web-nfs-heartbeat" is up and "web" is answering, with
      """
      stack: {media: <media>, auth: <auth>}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

    Examples:
      | media | auth |
      | bcast | crc  |
      | ucast | md5  |
