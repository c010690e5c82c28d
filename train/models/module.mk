# train/models: one file a network and one row in models.c.
LIBS += models
models_SRC := \
	train/models/basic_unet3d.c \
	train/models/image_judges.c \
	train/models/image_layers.c \
	train/models/image_resnet.c \
	train/models/image_unet.c \
	train/models/layers.c \
	train/models/models.c \
	train/models/nnunet3d.c \
	train/models/resunet3d.c \
	train/models/translate.c \
	train/models/unet2d.c \
	train/models/unet3d.c \
	train/models/vnet.c \
	train/models/vnet_paper.c
