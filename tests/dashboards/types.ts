// What stands before the generated boards: Grafana's own types, as JSON writes them.
import type { AnnotationContainer, Dashboard, Panel, GraphFieldConfig, TableFieldOptions } from '@grafana/schema';
import type * as BarChart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as BarGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as Geomap from '@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as StateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as TimeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// An enum is its value in JSON; all else is what it is.
type Wire<T> = T extends string
  ? `${T}`
  : T extends number
    ? number extends T ? number : `${T}` extends `${infer N extends number}` ? N : never
    : T extends ReadonlyArray<infer U>
      ? Wire<U>[]
      : T extends object
        ? { [K in keyof T]: Wire<T[K]> }
        : T;

// What a newer Grafana added may be left out: it fills in its own default.
type Known<T, Added extends string> = { [K in keyof T as K extends Added ? never : K]: T[K] };

type Of<Kind extends string, Options, Custom> = Wire<
  Omit<Panel, 'options' | 'fieldConfig' | 'type'> & {
    type: Kind;
    options: Options;
    fieldConfig: Panel['fieldConfig'] & { defaults: { custom?: Custom } };
  }
>;

// What InfluxDB's own plugin reads of an annotation; the schema leaves to each plugin what it wants to know.
type OfInfluxDB = { query: string; textColumn: string; timeEndColumn: string; tagsColumn: string; titleColumn: string };
type Annotations = { list: (NonNullable<AnnotationContainer['list']>[number] & OfInfluxDB)[] };

export type Board = Wire<Omit<Dashboard, 'annotations'> & { annotations: Annotations }>;
export interface PanelOf {
  stat: Of<'stat', Known<Stat.Options, 'percentChangeColorMode' | 'showPercentChange' | 'wideLayout'>, object>;
  timeseries: Of<'timeseries', TimeSeries.Options, GraphFieldConfig>;
  barchart: Of<'barchart', BarChart.Options, BarChart.FieldConfig>;
  bargauge: Of<'bargauge', Known<BarGauge.Options, 'maxVizHeight' | 'namePlacement' | 'sizing' | 'legend'>, object>;
  table: Of<'table', Table.Options, TableFieldOptions>;
  geomap: Of<'geomap', Geomap.Options, object>;
  'state-timeline': Of<'state-timeline', StateTimeline.Options, StateTimeline.FieldConfig>;
}
