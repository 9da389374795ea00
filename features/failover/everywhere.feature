Feature: What every cluster must do
  Written once, and run on every topology that offers what it needs, whatever its cluster software and its service. A
  row whose topology does not offer it is refused when it is collected.

  @everywhere
  Scenario Outline: Power-off of the active node relocates the service
    Given the topology "<topology>" is up and "<service>" is answering
    When the power of the active node is cut
    Then "<service>" relocates to the standby within <seconds> seconds
    And the VIP never had two owners

    Examples:
      | topology           | service | seconds |
      | web-iscsi-qdevice  | web     | 45      |
      | web-nfs-heartbeat  | web     | 30      |
      | ledger-iscsi       | ledger  | 30      |
      | ledger-drbd        | ledger  | 45      |
      | mysql-iscsi        | mysql   | 45      |
      | ha-nfs             | nfs     | 45      |
      | lvs-keepalived     | web     | 5       |
      | haproxy-keepalived | web     | 5       |

  @everywhere
  Scenario Outline: Clean relocate
    Given the topology "<topology>" is up and "<service>" is answering
    When "<service>" is moved to the standby
    Then "<service>" relocates to the standby within <seconds> seconds
    And nobody is fenced
    And the VIP never had two owners

    Examples:
      | topology           | service | seconds |
      | web-nfs-heartbeat  | web     | 30      |
      | ledger-iscsi       | ledger  | 30      |
      | ledger-drbd        | ledger  | 30      |
      | mysql-iscsi        | mysql   | 30      |
      | ha-nfs             | nfs     | 45      |
      | lvs-keepalived     | web     | 5       |
      | haproxy-keepalived | web     | 5       |

  @everywhere
  Scenario Outline: The returning node gets its service back, as the failover domain says
    Given the topology "<topology>" is up and "<service>" is answering, with
      """
      services: {<service>: {domain: {failback: true}}}
      """
    When the power of the active node is cut
    Then "<service>" relocates to the standby within <seconds> seconds
    When the active node is switched on
    Then "<service>" relocates to the active node within 60 seconds
    And the VIP never had two owners

    Examples:
      | topology           | service | seconds |
      | web-nfs-heartbeat  | web     | 30      |
      | lvs-keepalived     | web     | 5       |
      | haproxy-keepalived | web     | 5       |

  @everywhere @fencing
  Scenario Outline: A heartbeat cut is fenced, and the service relocates
    Given the topology "<topology>" is up and "<service>" is answering
    When the heartbeat network of the active node is cut
    Then the active node is fenced within 20 seconds
    And "<service>" relocates to the standby within <seconds> seconds
    And nothing was taken over before the fencing
    And the VIP never had two owners

    Examples:
      | topology     | service | seconds |
      | ledger-iscsi | ledger  | 30      |
      | mysql-iscsi  | mysql   | 45      |

  @everywhere
  Scenario Outline: A service that is killed is restarted in place
    Given the topology "<topology>" is up and "<service>" is answering
    When the process of "<service>" is killed
    Then "<service>" is restarted in place on the active node within <seconds> seconds
    And nobody is fenced

    Examples:
      | topology     | service | seconds |
      | ledger-iscsi | ledger  | 20      |
      | mysql-iscsi  | mysql   | 30      |
      | ledger-drbd  | ledger  | 20      |
