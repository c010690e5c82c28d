# train/translate: adversarial trainings of image translation.
LIBS += translate
translate_SRC := \
	train/translate/game.c \
	train/translate/game_graph.c \
	train/translate/images.c \
	train/translate/placed.c \
	train/translate/pool.c \
	train/translate/save.c \
	train/translate/translator.c \
	train/translate/vgg.c
