Feature: What every cluster must do
  Written once, and run on every topology that has an active node and a standby, whatever its cluster software.

  Scenario Outline: Power-off of the active node relocates the service
    Given the topology "<topology>" is up and "<service>" is answering
    When the power of the active node is cut
    Then "<service>" relocates to the standby within 30 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

    Examples:
      | topology          | service |
      | web-nfs-heartbeat | web     |

  Scenario Outline: Clean relocate
    Given the topology "<topology>" is up and "<service>" is answering
    When "<service>" is moved to the standby
    Then "<service>" relocates to the standby within 30 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes
    And the VIP never had two owners

    Examples:
      | topology          | service |
      | web-nfs-heartbeat | web     |

  Scenario Outline: The returning node gets its service back, as the failover domain says
    Given the topology "<topology>" is up and "<service>" is answering, with
      """
      services: {web: {domain: {failback: true}}}
      """
    When the power of the active node is cut
    Then "<service>" relocates to the standby within 30 seconds
    When the active node is switched on
    Then "<service>" relocates to the active node within 60 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners

    Examples:
      | topology          | service |
      | web-nfs-heartbeat | web     |
