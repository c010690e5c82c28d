# tests/: one line a unit test: $(eval $(call unit_test,NAME,LIBRARIES,LINK FLAGS)) builds tests/unit/test_NAME.c.
UNIT_TESTS :=
define unit_test
EXES += test_$(1)
UNIT_TESTS += test_$(1)
test_$(1)_SRC := tests/unit/test_$(1).c
test_$(1)_USE := $(2)
test_$(1)_LD := -lcmocka $(3)
endef
$(eval $(call unit_test,err,core))
$(eval $(call unit_test,par,core))
$(eval $(call unit_test,rng,core))
$(eval $(call unit_test,stage,core))
$(eval $(call unit_test,stage_ledgers,core))
$(eval $(call unit_test,records,core))
$(eval $(call unit_test,file,core,-Xlinker --wrap=malloc))
$(eval $(call unit_test,manifest,core))
$(eval $(call unit_test,mem,core))
$(eval $(call unit_test,nn_ops,nn core,-ldnnl))
test_nn_ops_SRC += tests/unit/nn_cases.c tests/unit/nn_helpers.c tests/unit/nn_reference.c
$(eval $(call unit_test,nn_graph,nn core,-ldnnl))
test_nn_graph_SRC += tests/unit/nn_helpers.c
$(eval $(call unit_test,nn_bf16,nn core,-ldnnl))
test_nn_bf16_SRC += tests/unit/nn_cases.c tests/unit/nn_helpers.c
$(eval $(call unit_test,nn_torch,nn core,-ldnnl))
test_nn_torch_SRC += tests/unit/nn_cases.c tests/unit/nn_helpers.c
$(eval $(call unit_test,nn_loss,nn core,-ldnnl))
$(eval $(call unit_test,nn_norm,nn core,-ldnnl))
$(eval $(call unit_test,nn_optim,nn core,-ldnnl))
$(eval $(call unit_test,nn_unet3d,models nn core,-ldnnl))
$(eval $(call unit_test,nn_players,models nn core,-ldnnl))
$(eval $(call unit_test,vol,core))
$(eval $(call unit_test,nii,core))
$(eval $(call unit_test,nii_real,core))
$(eval $(call unit_test,nii_read,core))
$(eval $(call unit_test,png,core))
$(eval $(call unit_test,picture,core))
$(eval $(call unit_test,layouts,ingest manifest ops core))
$(eval $(call unit_test,deflate_words,core))
$(eval $(call unit_test,h5tile,core))
$(eval $(call unit_test,phantom,phantom dicom core))
$(eval $(call unit_test,phantom_kinds,phantom dicom core))
$(eval $(call unit_test,nn_conv,nn core,-ldnnl))
$(eval $(call unit_test,nn_conv_sets,nn core,-ldnnl))
$(eval $(call unit_test,nn_stride,nn core,-ldnnl))
test_nn_conv_SRC += tests/unit/conv_cases.c
test_nn_conv_sets_SRC += tests/unit/conv_cases.c
test_nn_stride_SRC += tests/unit/conv_cases.c
# More than 400 s each under valgrind, where both are clean.
NO_VALGRIND += test_nn_stride test_lesions_shared
$(eval $(call unit_test,nn_plan,nn core,-ldnnl))
$(eval $(call unit_test,nn_share,nn core,-ldnnl))
$(eval $(call unit_test,h5damage,core))
NO_VALGRIND += test_h5damage
$(eval $(call unit_test,h5stored,core))
$(eval $(call unit_test,ops,ops core))
$(eval $(call unit_test,relabel,ops core))
$(eval $(call unit_test,near,prep manifest ops core))
$(eval $(call unit_test,split,prep manifest ops core))
$(eval $(call unit_test,tile,prep manifest ops core))
$(eval $(call unit_test,slice,prep manifest ops core))
$(eval $(call unit_test,series,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,contrast,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,keys,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,times,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,grouping,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,pixels,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,raw_cases,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,metrics,eval prep manifest ops core))
$(eval $(call unit_test,policy,eval prep manifest ops core))
$(eval $(call unit_test,case_score,eval prep manifest ops core))
$(eval $(call unit_test,eval,eval prep manifest ops core))
$(eval $(call unit_test,svg,core))
$(eval $(call unit_test,svg_spread,core))
$(eval $(call unit_test,viewer,eval prep manifest ops core))
$(eval $(call unit_test,ink,core))
$(eval $(call unit_test,dicom,ingest dicom manifest ops core,$(DICOM_LD)))
# Valgrind runs threads one at a time against libgomp's waiting: hours; ASan covers these.
NO_VALGRIND += test_nn_players test_nn_torch test_nn_loss test_nn_optim test_nn_ops test_nn_graph test_nn_conv test_nn_conv_sets test_nn_unet3d
$(eval $(call unit_test,checkpoint,train models nn core,-ldnnl))
$(eval $(call unit_test,loader,train models nn core,-ldnnl))
$(eval $(call unit_test,infer,train models nn core,-ldnnl))
$(eval $(call unit_test,postprocess,train core))
$(eval $(call unit_test,components,core))
NO_VALGRIND += test_infer
$(eval $(call unit_test,rle,dicom core))
$(eval $(call unit_test,nn_modes,nn core,-ldnnl))
NO_VALGRIND += test_nn_modes
$(eval $(call unit_test,schema,train models nn prep manifest ops core,-ldnnl))
$(eval $(call unit_test,gz_write,core))
NO_VALGRIND += test_gz_write
$(eval $(call unit_test,burned_text,ingest core))
NO_VALGRIND += test_burned_text
$(eval $(call unit_test,htj2k,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,catalogue,ingest dicom manifest ops core,$(DICOM_LD)))
TEST_TOOLS += dicom_dump
EXES += dicom_dump
dicom_dump_SRC := tests/tools/dicom_dump.c
dicom_dump_USE := dicom core
dicom_dump_LD := $(dicom_LD)

$(eval $(call unit_test,dicom_file,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,dicom_values,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,dicom_bounds,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,j2k_bounds,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,picture_bounds,core))
$(eval $(call unit_test,dicom_frames,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,dicom_pictures,dicom core,$(DICOM_LD)))
$(eval $(call unit_test,j2k,dicom core,$(DICOM_LD)))
NO_VALGRIND += test_j2k
$(eval $(call unit_test,head,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,frames,ingest dicom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,pet,ingest dicom phantom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,sidecar,ingest dicom phantom manifest ops core,$(DICOM_LD)))
$(eval $(call unit_test,op_golden,ops core))
$(eval $(call unit_test,grid_golden,ops core))
$(eval $(call unit_test,op_intensity,ops core))
NO_VALGRIND += test_op_golden
$(eval $(call unit_test,op_labels,ops core))
$(eval $(call unit_test,op_pet,ops core))
$(eval $(call unit_test,op_grid,ops core))
$(eval $(call unit_test,op_given,prep manifest ops core))
$(eval $(call unit_test,pair,prep manifest ops core))
$(eval $(call unit_test,h5parts,core))
NO_VALGRIND += test_h5parts
$(eval $(call unit_test,way_back,train models nn ops core,-ldnnl))
$(eval $(call unit_test,view,ops core))
$(eval $(call unit_test,elementary,ops core))
$(eval $(call unit_test,denoise,ops core))
# Valgrind has no long double beyond 64 bits; real scans are long under it.
NO_VALGRIND += test_elementary test_remove_background
$(eval $(call unit_test,remove_background,ops core))
$(eval $(call unit_test,explore,eval prep manifest ops core))
$(eval $(call unit_test,nn_wino,nn core,-ldnnl))
NO_VALGRIND += test_nn_wino
$(eval $(call unit_test,models,models nn core,-ldnnl))
$(eval $(call unit_test,model_options,models nn core,-ldnnl))
NO_VALGRIND += test_models test_model_options
$(eval $(call unit_test,task,train nn core))
$(eval $(call unit_test,loader_steps,train models nn core,-ldnnl))
$(eval $(call unit_test,schedule,train core))
$(eval $(call unit_test,train_metrics,train core))
NO_VALGRIND += test_train_metrics
$(eval $(call unit_test,nn_glue,nn core,-ldnnl))
test_nn_glue_SRC += tests/unit/nn_helpers.c
NO_VALGRIND += test_nn_glue
$(eval $(call unit_test,augment_golden,train core))
$(eval $(call unit_test,augment,train models nn prep manifest ops core,-ldnnl))
$(eval $(call unit_test,export,train models nn core,-ldnnl))
TEST_TOOLS += make_checkpoint
EXES += make_checkpoint
make_checkpoint_SRC := tests/tools/make_checkpoint.c
make_checkpoint_USE := train models nn core
make_checkpoint_LD := -ldnnl
$(eval $(call unit_test,ranks,train models nn core,-ldnnl))
NO_VALGRIND += test_ranks
$(eval $(call unit_test,mapped,core))
$(eval $(call unit_test,infer_bf16,train models nn core,-ldnnl))
NO_VALGRIND += test_mapped test_infer_bf16
$(eval $(call unit_test,nn_init,nn core,-ldnnl))
NO_VALGRIND += test_nn_init
$(eval $(call unit_test,image_metrics,eval manifest ops core))
$(eval $(call unit_test,image_overlap,eval manifest ops core))
$(eval $(call unit_test,image_volumes,eval manifest ops core))
$(eval $(call unit_test,image_golden,eval manifest ops core))
$(eval $(call unit_test,image_baselines,eval manifest ops core))
$(eval $(call unit_test,image_summary,eval manifest ops core))
$(eval $(call unit_test,interleave,derive core))
$(eval $(call unit_test,marks,derive core))
$(eval $(call unit_test,dicom_series,derive dicom core))
$(eval $(call unit_test,translate_torch,translate models nn core,-ldnnl))
NO_VALGRIND += test_translate_torch
$(eval $(call unit_test,nn_recompute,translate models nn core,-ldnnl))
NO_VALGRIND += test_nn_recompute
$(eval $(call unit_test,translate_pool,translate core))
$(eval $(call unit_test,placed,translate core))
$(eval $(call unit_test,translate_vgg,translate models nn core,-ldnnl))
NO_VALGRIND += test_translate_vgg
$(eval $(call unit_test,translate_images,translate nn core,-ldnnl))
$(eval $(call unit_test,linear,ops core))
$(eval $(call unit_test,translate_scores,eval prep manifest ops core))
$(eval $(call unit_test,nn_up,nn core,-ldnnl))
test_nn_up_SRC += tests/unit/nn_helpers.c tests/unit/conv_cases.c
NO_VALGRIND += test_nn_up
$(eval $(call unit_test,nn_prelu,nn core,-ldnnl))
NO_VALGRIND += test_nn_prelu
$(eval $(call unit_test,nn_fused,nn core,-ldnnl))
NO_VALGRIND += test_nn_fused
$(eval $(call unit_test,fit,train models nn core,-ldnnl))
$(eval $(call unit_test,network,train models nn core,-ldnnl))
$(eval $(call unit_test,settings,train core))
$(eval $(call unit_test,edt,eval manifest ops core))
$(eval $(call unit_test,surface,eval manifest ops core))
$(eval $(call unit_test,surface_peers,eval manifest ops core))
$(eval $(call unit_test,box,eval manifest ops core))
$(eval $(call unit_test,stats,eval core))
$(eval $(call unit_test,stats_pairs,eval core))
$(eval $(call unit_test,summary,eval manifest ops core))
$(eval $(call unit_test,lesions,eval manifest ops core))
$(eval $(call unit_test,lesions_shared,eval manifest ops core))
$(eval $(call unit_test,staple,eval manifest ops core))
