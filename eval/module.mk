# eval/: scores and the report. A metric is one row of the table in column.c; regions are those of manifests/label_map.h.
LIBS += eval
eval_SRC := \
	eval/box.c \
	eval/edge.c \
	eval/edt.c \
	eval/edt_plane.c \
	eval/rings.c \
	eval/select.c \
	eval/surface.c \
	eval/surfel.c \
	eval/surfel_table.c \
	eval/case_score.c \
	eval/cases.c \
	eval/cells.c \
	eval/column.c \
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
	eval/fuse.c \
	eval/lesion_rules.c \
	eval/lesions.c \
	eval/shared_surface.c \
	eval/match.c \
	eval/panoptic.c \
	eval/staple.c \
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
	eval/page_script.c \
	eval/overlap.c \
	eval/overrides.c \
	eval/policy.c \
	eval/report_cases.c \
	eval/report_checklist.c \
	eval/report_checklist_page.c \
	eval/report_curves.c \
	eval/report_definitions.c \
	eval/report_flow.c \
	eval/report_groups.c \
	eval/report_missing.c \
	eval/report_models.c \
	eval/report_origin.c \
	eval/report_page.c \
	eval/report_parts.c \
	eval/report_plots.c \
	eval/report_published.c \
	eval/report_published_regions.c \
	eval/report_scores.c \
	eval/report_tables.c \
	eval/report_volumes.c \
	eval/scene.c \
	eval/scorebook.c \
	eval/stats/agreement.c \
	eval/stats/bootstrap.c \
	eval/stats/holm.c \
	eval/stats/normal.c \
	eval/stats/permutation.c \
	eval/stats/quantile.c \
	eval/stats/spread.c \
	eval/stats/wilcoxon.c \
	eval/scores.c \
	eval/slices.c \
	eval/summary.c \
	eval/summary_json.c \
	eval/summary_tables.c \
	eval/viewer.c \
	eval/viewer_licence.c \
	eval/translate_base.c \
	eval/translate_body.c \
	eval/translate_case.c \
	eval/translate_html.c \
	eval/translate_pairs.c \
	eval/translate_panels.c \
	eval/translate_published.c \
	eval/translate_report.c \
	eval/translate_scores.c \
	eval/translate_scroll.c \
	eval/translate_tables.c \
	eval/translate_tex.c

EXES += scanmill-evaluate scanmill-report
scanmill-evaluate_SRC := eval/evaluate_main.c eval/evaluate_pairs.c eval/label_files.c eval/evaluate_tables.c eval/outputs.c eval/tiles.c
scanmill-evaluate_USE := eval prep manifest ops core
scanmill-report_SRC := eval/report_main.c
scanmill-report_USE := eval prep manifest ops core
EXES += scanmill-explore
scanmill-explore_SRC := eval/explore_main.c
scanmill-explore_USE := eval prep manifest ops core

EXES += scanmill-compare
scanmill-compare_SRC := eval/compare_main.c eval/compare_case.c eval/compare_grid.c eval/compare_members.c eval/label_files.c eval/compare_pages.c eval/compare_sums.c eval/compare_tables.c
scanmill-compare_USE := eval prep manifest ops core

# Sums in fixed lanes are written for the vectoriser, which -O2 mostly leaves out.
eval_image_baselines_CFLAGS := -O3
eval_image_joint_CFLAGS := -O3
eval_image_metrics_CFLAGS := -O3
eval_image_overlap_CFLAGS := -O3
eval_image_ssim_CFLAGS := -O3
eval_stats_bootstrap_CFLAGS := -O3
