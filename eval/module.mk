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
	eval/image_baselines.c \
	eval/image_body.c \
	eval/image_joint.c \
	eval/image_json.c \
	eval/image_metrics.c \
	eval/image_overlap.c \
	eval/image_ssim.c \
	eval/image_summary.c \
	eval/image_table.c \
	eval/image_tables.c \
	eval/trainlog.c \
	eval/metrics.c \
	eval/montage.c \
	eval/report_origin.c \
	eval/report_page.c \
	eval/report_parts.c \
	eval/report_tables.c \
	eval/summary.c \
	eval/translate_base.c \
	eval/translate_case.c \
	eval/translate_html.c \
	eval/translate_pairs.c \
	eval/translate_panels.c \
	eval/translate_report.c \
	eval/translate_scores.c \
	eval/translate_scroll.c \
	eval/translate_tables.c

EXES += scanmill-evaluate scanmill-report
scanmill-evaluate_SRC := eval/evaluate_main.c
scanmill-evaluate_USE := eval prep manifest ops core
scanmill-report_SRC := eval/report_main.c
scanmill-report_USE := eval prep manifest ops core
EXES += scanmill-explore
scanmill-explore_SRC := eval/explore_main.c
scanmill-explore_USE := eval prep manifest ops core

# Sums in fixed lanes are written for the vectoriser, which -O2 mostly leaves out.
eval_image_baselines_CFLAGS := -O3
eval_image_joint_CFLAGS := -O3
eval_image_metrics_CFLAGS := -O3
eval_image_overlap_CFLAGS := -O3
eval_image_ssim_CFLAGS := -O3
