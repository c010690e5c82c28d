# eval/: scores and the report. A metric is one row of the table in metrics.c; regions are those of manifests/label_map.h.
LIBS += eval
eval_SRC := \
	eval/cases.c \
	eval/explore_charts.c \
	eval/explore_cohort.c \
	eval/explore_hist.c \
	eval/explore_page.c \
	eval/explore_parts.c \
	eval/explore_samples.c \
	eval/explore_sheet.c \
	eval/explore_split.c \
	eval/explore_stats.c \
	eval/explore_tables.c \
	eval/trainlog.c \
	eval/metrics.c \
	eval/montage.c \
	eval/report_origin.c \
	eval/report_page.c \
	eval/report_parts.c \
	eval/report_tables.c \
	eval/summary.c

EXES += scanmill-evaluate scanmill-report
scanmill-evaluate_SRC := eval/evaluate_main.c
scanmill-evaluate_USE := eval manifest ops core
scanmill-report_SRC := eval/report_main.c
scanmill-report_USE := eval manifest ops core
EXES += scanmill-explore
scanmill-explore_SRC := eval/explore_main.c
scanmill-explore_USE := eval prep manifest ops core
