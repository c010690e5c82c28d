# train/models: one file a network and one row in models.c.
LIBS += models
models_SRC := \
	train/models/models.c \
	train/models/unet3d.c
