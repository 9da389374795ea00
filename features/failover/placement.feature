Feature: Services that depend on each other
  Where a service may be, and when it may start, can hang on another one: together with it, apart from it, after it.

  Scenario: Colocated services move together, in their order
    Given the topology "services-3" is up and "web" is answering, with
      """
      services: {app: {colocated_with: [web], after: [web]}}
      """
    When "web" is moved to the second standby
    Then "web" relocates to the second standby within 30 seconds
    And "app" relocates to the second standby within 30 seconds
    And nobody is fenced
    And the VIP never had two owners
    And every service was where it belongs

  Scenario: Of two services that run the same daemon on one node only the one that is killed is mended
    Given the topology "services-3" is up and "web" is answering, with
      """
      services: {app: {colocated_with: [web]}}
      """
    When the process of "app" is killed
    Then "app" is restarted in place on the active node within 20 seconds
    And "web" stays on the active node for 2 seconds
    And the outage of "web" was at most 0.5 seconds
    And nobody is fenced

  @fencing
  Scenario: Colocated services fail over together, in their order
    Given the topology "services-3" is up and "web" is answering, with
      """
      services: {app: {colocated_with: [web], after: [web]}}
      """
    When the power of the active node is cut
    Then "web" relocates to the standby within 30 seconds
    And "app" relocates to the standby within 30 seconds
    And nothing was taken over before the fencing
    And every service was where it belongs

  @fencing
  Scenario: Services that must be apart stay apart
    Given the topology "services-3" is up and "web" is answering, with
      """
      services: {app: {apart_from: [web], domain: {nodes: [node2], ordered: true}}}
      """
    When the power of the active node is cut
    Then "web" relocates to the second standby within 30 seconds
    And "app" stays on the standby for 2 seconds
    And nothing was taken over before the fencing
    And every service was where it belongs

  @fencing
  Scenario Outline: A daemon of the class <class> is watched, mended in place, and fails over
    Given the topology "services-3" is up and "web" is answering, with
      """
      services:
        web:
          group:
            - {kind: vip, address: 192.168.77.200}
            - {kind: daemon, name: nginx, agent: "<class>:nginx", document_root: /srv/web}
          failover_budget: 40s
        app: {apart_from: [web], domain: {nodes: [node2], ordered: true}}
      """
    When the process of "web" is killed
    Then "web" is restarted in place on the active node within 20 seconds
    When the power of the active node is cut
    Then "web" relocates to the second standby within 40 seconds
    And the VIP never had two owners
    And nothing was taken over before the fencing
    And every service was where it belongs

    Examples:
      | class   |
      | systemd |
      | lsb     |
