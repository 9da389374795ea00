Feature: Daemons that a declaration describes
  PostgreSQL and Apache httpd need no Python: a YAML file says their agent, their packages, their port and what clients
  ask. Whatever is promised of a service holds for them too.

  @storage @fencing
  Scenario Outline: The power of the active node is cut
    Given the topology "<topology>" is up and "<service>" is answering
    When the power of the active node is cut
    Then "<service>" relocates to the standby within 45 seconds
    And the file system was never mounted on two nodes
    And the VIP never had two owners
    And nothing was taken over before the fencing

    Examples:
      | topology     | service |
      | apache-iscsi | web     |
      | pgsql-iscsi  | pgsql   |

  @storage
  Scenario Outline: The service is killed, and restarted in place
    Given the topology "<topology>" is up and "<service>" is answering
    When the process of "<service>" is killed
    Then "<service>" is restarted in place on the active node within 30 seconds
    And nobody is fenced for 2 seconds

    Examples:
      | topology     | service |
      | apache-iscsi | web     |
      | pgsql-iscsi  | pgsql   |

  @storage
  Scenario Outline: The service is moved on purpose
    Given the topology "<topology>" is up and "<service>" is answering
    When "<service>" is moved to the standby
    Then "<service>" relocates to the standby within 40 seconds
    And nobody is fenced
    And the file system was never mounted on two nodes

    Examples:
      | topology     | service |
      | apache-iscsi | web     |
      | pgsql-iscsi  | pgsql   |
