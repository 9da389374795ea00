Feature: Front-end load balancers
  A pair of directors shares an address by VRRP and hands requests to real servers. Both kinds of loss are measured:
  that of the director, which costs everybody a moment, and that of a real server, which costs those that were sent to
  it.

  @twin
  Scenario Outline: A real server is lost
    Given the topology "<topology>" is up and "web" is answering
    When the power of the first real server is cut
    Then every client of "web" is answered again within 10 seconds
    And only the second real server answers for "web" during 2 seconds
    And the VIP never had two owners
    When the first real server is switched on
    Then the first real server answers for "web" within 30 seconds

    Examples:
      | topology           |
      | lvs-keepalived     |
      | haproxy-keepalived |

  Scenario Outline: keepalived dies, and its children take the address away
    Given the topology "<topology>" is up and "web" is answering
    When the daemon "keepalived" is killed on the active node
    Then "web" relocates to the standby within 5 seconds
    And the VIP never had two owners

    Examples:
      | topology           |
      | lvs-keepalived     |
      | haproxy-keepalived |

  Scenario: The proxy of the active director dies
    Given the topology "haproxy-keepalived" is up and "web" is answering
    When the daemon "haproxy" is killed on the active node
    Then "web" relocates to the standby within 10 seconds
    And the VIP never had two owners

  Scenario: The preferred director returns and takes the address back
    Given the topology "haproxy-keepalived" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the active node is switched on
    Then "web" relocates to the active node within 30 seconds
    And the VIP never had two owners

  Scenario: Without preemption the returning director stays the backup
    Given the topology "lvs-keepalived" is up and "web" is answering
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    When the active node is switched on
    Then the cluster is whole again within 30 seconds
    And "web" stays on the standby for 2 seconds
    And the VIP never had two owners

  Scenario: A director that does not reach its clients is relieved by its track script
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      stack:
        track_scripts:
          clients: {script: "/usr/bin/ping -c 1 -W 1 192.168.70.9", interval: 1s, fall: 2}
      """
    When the service network of the active node is cut
    Then "web" relocates to the standby within 10 seconds

  Scenario: Two addresses of one sync group move together
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      stack: {sync_groups: {front: [web, shop]}}
      services:
        shop:
          group:
            - {kind: vip, address: 192.168.70.201}
            - {kind: virtual-server, port: 80, real_servers: [www1, www2]}
          domain: {nodes: [lb1, lb2], ordered: true, failback: false}
          failover_budget: 10s
      """
    When "web" is moved to the standby
    Then "web" relocates to the standby within 5 seconds
    And "shop" relocates to the standby within 5 seconds
    And the VIP never had two owners

  Scenario Outline: The way back by <forwarding> follows the director
    Given the topology "lvs-keepalived" is up and "web" is answering, with
      """
      services:
        web:
          group:
            - {kind: vip, address: 192.168.70.200}
            - {kind: virtual-server, port: 80, real_servers: [www1, www2], forwarding: <forwarding>}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 5 seconds
    And the VIP never had two owners

    Examples:
      | forwarding |
      | nat        |
      | tun        |
