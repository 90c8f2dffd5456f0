// All three dashboards, by file name:
//   jsonnet -m rendered dashboards/seamless_v2.jsonnet
(import 'mixin.libsonnet').grafanaDashboards
