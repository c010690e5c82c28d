# manifests/: the schema of what a person writes; it names the parameters of every operation.
LIBS += manifest
manifest_SRC := manifests/label_map.c manifests/roles.c manifests/folds.c manifests/schema.c manifests/schema_train.c manifests/schema_translate.c manifests/schema_augment.c manifests/schema_evaluate.c
